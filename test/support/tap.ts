// Stands between a flow and one of its ports: every call passes through a function of the test, which may note it, hold
// it back, answer something else, or never come back.

/** What happens around a call. `call` does what the port does. */
export type Around = (method: string, call: () => Promise<unknown>) => Promise<unknown>;

/** The same port, with something around each of its calls. For ports whose methods all return promises. */
export function tap<Port extends object>(port: Port, around: Around): Port {
  return new Proxy(port, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== 'function') return member;
      return (...args: readonly unknown[]) => around(String(key), async () => Reflect.apply(member, target, [...args]));
    },
  });
}
