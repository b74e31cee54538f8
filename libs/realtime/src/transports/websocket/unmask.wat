;; Unmasks payloads (RFC 6455 §5.3) with vector instructions: sixteen bytes at a time, at any place in memory.
;; `npm run wasm` compiles this file into unmask-wasm.ts.
(module
  ;; 128 KiB: the memory that sockets are read into. It never grows, so its bytes never move.
  (memory (export "memory") 2 2)

  ;; Unmasks the bytes from start to end where they are. The key is the one for the byte at start, with its first byte in
  ;; the lowest bits. Returns 0 if all bytes are ASCII.
  (func (export "unmask") (param $start i32) (param $end i32) (param $key i32) (result i32)
    (local $keys v128) (local $bytes v128) (local $seen v128) (local $byte i32) (local $seenByte i32)
    (local.set $keys (i32x4.splat (local.get $key)))

    ;; 64 bytes in a turn
    (block $few
      (loop $blocks
        (br_if $few (i32.lt_s (i32.sub (local.get $end) (local.get $start)) (i32.const 64)))
        (v128.store (local.get $start)
          (local.tee $bytes (v128.xor (v128.load (local.get $start)) (local.get $keys))))
        (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
        (v128.store offset=16 (local.get $start)
          (local.tee $bytes (v128.xor (v128.load offset=16 (local.get $start)) (local.get $keys))))
        (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
        (v128.store offset=32 (local.get $start)
          (local.tee $bytes (v128.xor (v128.load offset=32 (local.get $start)) (local.get $keys))))
        (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
        (v128.store offset=48 (local.get $start)
          (local.tee $bytes (v128.xor (v128.load offset=48 (local.get $start)) (local.get $keys))))
        (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
        (local.set $start (i32.add (local.get $start) (i32.const 64)))
        (br $blocks)))

    ;; 16 bytes in a turn
    (block $rest
      (loop $vectors
        (br_if $rest (i32.lt_s (i32.sub (local.get $end) (local.get $start)) (i32.const 16)))
        (v128.store (local.get $start)
          (local.tee $bytes (v128.xor (v128.load (local.get $start)) (local.get $keys))))
        (local.set $seen (v128.or (local.get $seen) (local.get $bytes)))
        (local.set $start (i32.add (local.get $start) (i32.const 16)))
        (br $vectors)))

    ;; One byte in a turn; the key turns with it
    (block $done
      (loop $bytewise
        (br_if $done (i32.ge_s (local.get $start) (local.get $end)))
        (i32.store8 (local.get $start)
          (local.tee $byte (i32.xor (i32.load8_u (local.get $start)) (local.get $key))))
        (local.set $seenByte (i32.or (local.get $seenByte) (local.get $byte)))
        (local.set $key (i32.rotr (local.get $key) (i32.const 8)))
        (local.set $start (i32.add (local.get $start) (i32.const 1)))
        (br $bytewise)))

    ;; The highest bit of each byte
    (i32.or
      (i8x16.bitmask (local.get $seen))
      (i32.and (local.get $seenByte) (i32.const 0x80)))))
