// A plain peer in a browser: trickles, adds every candidate that it hears, knows no names and no sessions.
window.plain = {
  log: [], messages: [],

  // shape: how candidates are written; late: milliseconds until one goes out; codec: the only one that an operator takes.
  start({ role, url, shape, late, codec }) {
    const pc = this.pc = new RTCPeerConnection({ iceServers: [] });
    const socket = this.socket = new WebSocket(url);
    const say = message => socket.send(JSON.stringify(message));
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate) return;
      const written = candidate.toJSON();
      if (shape === 'texts') { written.sdpMLineIndex = String(written.sdpMLineIndex); written.extra = { of: 'no use' }; }
      if (shape === 'bare') { delete written.sdpMid; delete written.usernameFragment; }
      if (shape === 'hidden') {
        // As browsers write it that tell no page this machine's addresses; nobody can resolve this one.
        const words = written.candidate.split(' ');
        words[4] = `${crypto.randomUUID()}.local`;
        written.candidate = words.join(' ');
      }
      this.log.push(written.candidate);
      setTimeout(() => say({ type: 'candidate', candidate: written }), late || 0);
    };
    const take = channel => {
      this.channel = channel;
      channel.onmessage = event => this.messages.push(event.data);
    };
    let hasRemote = null;
    const remote = new Promise(resolve => { hasRemote = resolve; });
    socket.onmessage = async event => {
      const message = JSON.parse(event.data);
      if (message.type === 'offer' && role === 'robot' && !this.answered) {
        this.answered = true;
        await pc.setRemoteDescription(message.offer);
        hasRemote();
        await pc.setLocalDescription(await pc.createAnswer());
        // Candidates go first where they do not dawdle.
        await new Promise(resolve => setTimeout(resolve, late ? 0 : 300));
        say({ type: 'answer', answer: pc.localDescription.toJSON ? { type: 'answer', sdp: this.bare(pc.localDescription.sdp) } : null });
      } else if (message.type === 'answer' && role === 'operator') {
        await pc.setRemoteDescription(message.answer);
        hasRemote();
      } else if (message.type === 'candidate') {
        await remote;
        await pc.addIceCandidate(message.candidate).catch(error => this.log.push(String(error)));
      }
    };
    return new Promise((resolve, reject) => {
      socket.onerror = () => reject(new Error(`no connection to ${url}`));
      socket.onopen = async () => {
        if (role === 'robot') {
          const canvas = document.createElement('canvas');
          canvas.width = 320; canvas.height = 240;
          const pen = canvas.getContext('2d');
          let count = 0;
          setInterval(() => {
            pen.fillStyle = `hsl(${count++ * 7 % 360} 80% 50%)`;
            pen.fillRect(0, 0, 320, 240);
          }, 33);
          const stream = canvas.captureStream(30);
          stream.getTracks().forEach(track => pc.addTrack(track, stream));
          pc.ondatachannel = event => take(event.channel);
        } else {
          // Robots of ours send no sound: they decline that section.
          if (shape === 'texts') pc.addTransceiver('audio', { direction: 'recvonly' });
          pc.addTransceiver('video', { direction: 'recvonly' });
          if (codec) {
            const all = RTCRtpReceiver.getCapabilities('video').codecs;
            pc.getTransceivers().at(-1).setCodecPreferences(all.filter(each => each.mimeType === codec || each.mimeType === 'video/rtx'));
          }
          take(pc.createDataChannel('anything at all'));
          pc.ontrack = event => {
            const video = this.video = document.createElement('video');
            video.muted = true;
            video.srcObject = new MediaStream([event.track]);
            video.play();
          };
          const offer = await pc.createOffer();
          await pc.setLocalDescription(offer);
          say({ type: 'offer', offer: { type: 'offer', sdp: offer.sdp } });
        }
        resolve();
      };
    });
  },

  // A description whose candidates were all trickled.
  bare(sdp) { return sdp.split('\r\n').filter(line => !/^a=(candidate|end-of-candidates)/.test(line)).join('\r\n'); },

  frames() { return this.video ? this.video.getVideoPlaybackQuality().totalVideoFrames : 0; },
};
