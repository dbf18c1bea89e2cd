/** Why `npm start` does not start, in words for the person who typed it. */
export class StartRefusal extends Error {
  override readonly name = 'StartRefusal';
  /** 2 when the command has to change, 1 when something around it has to. */
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2) {
    super(message);
    this.exitCode = exitCode;
  }
}
