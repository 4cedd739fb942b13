// A beginner's signalling client: JSON over a WebSocket, an offer on `user-joined`, no reconnecting, no negotiation.
const roomId = new URLSearchParams(location.search).get("room");
const peers = new Map();
const received = [];
let socket;

function peerFor(userId) {
  const peer = new RTCPeerConnection();
  peers.set(userId, peer);
  for (const track of window.localStream.getTracks()) peer.addTrack(track, window.localStream);
  peer.onicecandidate = (event) => send({ type: "ice-candidate", candidate: event.candidate, target: userId });
  peer.ontrack = (event) => {
    const video = document.getElementById(userId) ?? document.body.appendChild(document.createElement("video"));
    video.id = userId;
    video.autoplay = true;
    video.srcObject = event.streams[0];
  };
  return peer;
}

function send(message) {
  socket.send(JSON.stringify(message));
}

const handlers = {
  async "user-joined"({ userId }) {
    const peer = peerFor(userId);
    await peer.setLocalDescription(await peer.createOffer());
    send({ type: "offer", sdp: peer.localDescription, target: userId });
  },
  async offer({ sender, sdp }) {
    const peer = peerFor(sender);
    await peer.setRemoteDescription(sdp);
    await peer.setLocalDescription(await peer.createAnswer());
    send({ type: "answer", sdp: peer.localDescription, target: sender });
  },
  async answer({ sender, sdp }) {
    await peers.get(sender).setRemoteDescription(sdp);
  },
  async "ice-candidate"({ sender, candidate }) {
    await peers.get(sender)?.addIceCandidate(candidate);
  },
  "user-left"({ userId }) {
    peers.get(userId)?.close();
    peers.delete(userId);
    document.getElementById(userId)?.remove();
  },
};

async function start() {
  window.localStream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  document.getElementById("local").srcObject = window.localStream;
  socket = new WebSocket(`ws://${location.host}/ws`);
  let last = Promise.resolve();
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    received.push(message);
    last = last.then(() => handlers[message.type]?.(message));
  };
  socket.onopen = () => send({ type: "join", roomId });
}

// What the test reads.
window.lesson = { peers, received, start: start() };
