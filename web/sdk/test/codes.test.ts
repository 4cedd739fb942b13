import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as codes from "../src/codes.js";

const protocol = JSON.parse(readFileSync(new URL("../../../protocol/codes.json", import.meta.url), "utf8"));

test("errors and whether they are worth a retry are those of the protocol", () => {
  const retryable = Object.entries<{ retryable: boolean }>(protocol.errors).map(([code, error]) => [
    code,
    error.retryable,
  ]);
  expect(codes.SERVER_ERRORS).toEqual(Object.fromEntries(retryable));
  expect(codes.RETRYABLE_SERVER_ERRORS).toEqual(
    retryable.flatMap(([code, isRetryable]) => (isRetryable ? [code] : [])),
  );
});

test("subprotocol, limits and close codes are those of the protocol", () => {
  expect(codes.SUBPROTOCOL).toBe(protocol.subprotocol);
  expect(codes.MESSAGE_BYTES_MAX).toBe(protocol.limits.messageBytes);
  expect(codes.MESSAGE_TARGETS_MAX).toBe(protocol.limits.messageTargets);
  expect(codes.JSON_DEPTH_MAX).toBe(protocol.limits.jsonDepth);
  expect(codes.MESSAGE_IDS_MAX).toBe(protocol.limits.messageIds);
  expect(codes.UNAUTHORIZED).toBe(protocol.closeCodes.unauthorized);
  expect(codes.TOKEN_EXPIRED).toBe(protocol.closeCodes.token_expired);
  expect(codes.RECONNECT_RANGE).toEqual(protocol.closeRanges.reconnect);
  expect(codes.RECONNECT_ON_STANDARD_CODES).toEqual(protocol.reconnectOnStandardCodes);
});

test.each<[number, boolean]>([
  [1000, false],
  [1001, true],
  [1006, true],
  [1009, false],
  [4000, false],
  [4499, false],
  [4500, true],
  [4999, true],
  [5000, false],
])("after close code %i reconnecting is %s", (code, expected) => {
  expect(codes.reconnectsAfter(code)).toBe(expected);
});
