/** What `require('nestjs-realtime/workers')` gets. */
throw new Error(
  'nestjs-realtime/workers cannot be required: start the application with node --import nestjs-realtime/workers dist/main.js',
);
