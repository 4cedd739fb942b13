/**
 * What the lab sees of a page's connections, without a word to the SDK. To be imported before it.
 */

/** Milliseconds on a clock that all pages of one machine share. */
export const now = () => performance.timeOrigin + performance.now();

export const peerConnections = [];

/** When the first WebSocket was open: the SDK's `join` goes out in that moment. */
export const joining = { at: null };

window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...options) {
    super(...options);
    peerConnections.push(this);
  }
};

window.WebSocket = class extends window.WebSocket {
  constructor(...options) {
    super(...options);
    this.addEventListener("open", () => {
      joining.at ??= now();
    });
  }
};

/**
 * `direct` or `turn`, by the candidate pair in use; null while media and data can't flow.
 *
 * A peer's relayed address looks like any other until its candidate has come: ask both sides.
 */
export async function selectedPath(peerConnection) {
  const stats = await peerConnection.getStats();
  for (const transport of stats.values()) {
    if (transport.type !== "transport" || transport.dtlsState !== "connected") continue;
    const pair = stats.get(transport.selectedCandidatePairId);
    if (!pair || !["connected", "completed"].includes(transport.iceState)) continue;
    const types = [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id)?.candidateType);
    return { path: types.includes("relay") ? "turn" : "direct", types };
  }
  return null;
}
