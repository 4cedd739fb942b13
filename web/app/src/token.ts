/**
 * The token that this tab shows to a server that asks for one.
 *
 * It is a secret: kept in sessionStorage for as long as the tab lives, in no address and in no message but `hello`.
 * Where storage is absent it is kept until the page is left.
 */

const STORAGE_KEY = "sheetbend.token";

export class TokenKeeper {
  readonly #storage: Storage | null;
  #token: string | null;

  constructor(storage: Storage | null) {
    this.#storage = storage;
    this.#token = read(storage);
  }

  get token(): string | null {
    return this.#token;
  }

  keep(token: string): void {
    this.#token = token;
    attempt(() => this.#storage?.setItem(STORAGE_KEY, token));
  }

  forget(): void {
    this.#token = null;
    attempt(() => this.#storage?.removeItem(STORAGE_KEY));
  }
}

/** Even naming `sessionStorage` throws where cookies are blocked. */
export function openSessionStorage(): Storage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

/** What was pasted, without the white space that copying brings along: a token has none. */
export function cleanToken(pasted: string): string {
  return pasted.replace(/\s+/g, "");
}

function read(storage: Storage | null): string | null {
  try {
    return storage?.getItem(STORAGE_KEY) ?? null;
  } catch {
    return null;
  }
}

function attempt(write: () => void): void {
  try {
    write();
  } catch {
    // QuotaExceededError or SecurityError: the token lasts until the page is left.
  }
}
