/** What the page and the gateway say to each other. Both sides use this type; nothing of it exists at run time. */
export interface Chat {
  /** Events from the server. */
  server: {
    welcome: { id: string; name: string | undefined };
    message: Line;
    private: Line & { to: string };
    /** A person has come with one more device, or has gone with one. */
    devices: { name: string; count: number };
  };
  /** Events from the page. The answer to `request` says that the event was handled. */
  client: {
    say: Words;
    whisper: Words & { to: string };
    present: Presence;
  };
  /** What others see of a person. */
  presence: Presence;
}

export interface Words {
  text: string;
  /** The same for each repetition of a message: it is kept once. */
  key?: string;
}

export interface Line extends Words {
  from: string;
  /** In milliseconds since 1970. */
  at: number;
}

export interface Presence {
  isTyping?: boolean;
  /** The page is hidden. */
  isAway?: boolean;
}
