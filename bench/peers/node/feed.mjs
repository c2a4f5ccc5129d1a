// Events of profiles inside one process, for the peers whose library brings no such thing of its own.
//
// A subscriber is an async iterator with a queue of its own; `publish` puts one event into every queue of the profile and never waits.

export class Feed {
  #watchers = new Map();

  publish(topic, event) {
    for (const watcher of this.#watchers.get(topic) ?? []) watcher.put(event);
  }

  subscribe(topic) {
    const watchers = this.#watchers.get(topic) ?? new Set();
    this.#watchers.set(topic, watchers);
    const watcher = new Watcher(() => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(topic);
    });
    watchers.add(watcher);
    return watcher;
  }
}

class Watcher {
  #events = [];
  #waiting = null;
  #over = false;
  #left;

  constructor(left) {
    this.#left = left;
  }

  put(event) {
    if (this.#waiting === null) {
      this.#events.push(event);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting({ value: event, done: false });
  }

  next() {
    if (this.#events.length > 0) return Promise.resolve({ value: this.#events.shift(), done: false });
    if (this.#over) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return() {
    this.#over = true;
    this.#events = [];
    this.#left();
    this.#waiting?.({ value: undefined, done: true });
    this.#waiting = null;
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
