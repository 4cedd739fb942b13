// Runs before a page's own scripts, and makes the other member's addresses those of ports that lead there with delay
// (`distance.py`). Addresses that can't be led so are left out, or they would be a short cut.

const ports = FAR_PORTS;

/** Returns "" for one that is left out. */
function far(candidate) {
  const parts = candidate.split(" ");
  const [, , protocol, , address, port] = parts;
  if (protocol?.toLowerCase() !== "udp" || !/^[\d.]+$/.test(address)) return "";
  if (ports.length === 0) return "";
  parts[5] = ports.pop();
  window.leadTo(parts[5], address, Number(port)); // not awaited: packets wait for it there
  return parts.join(" ");
}

const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype;

RTCPeerConnection.prototype.addIceCandidate = function (candidate) {
  if (!candidate?.candidate) return addIceCandidate.call(this, candidate ?? undefined);
  const moved = far(candidate.candidate);
  const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
  if (!moved) return Promise.resolve();
  return addIceCandidate.call(this, { candidate: moved, sdpMid, sdpMLineIndex, usernameFragment });
};

RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  const lines = (sdp ?? "").split("\r\n").map((line) => (line.startsWith("a=candidate:") ? far(line) : line));
  const moved = lines.filter((line, number) => line || number === lines.length - 1).join("\r\n");
  return setRemoteDescription.call(this, { type, sdp: moved });
};
