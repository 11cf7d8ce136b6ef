import Usage
import Wire

/// Captured packets, as the usage monitor is told them. The input is a run of records: a length (1 byte), how the packet came (bit 0:
/// outgoing, bits 1…2: the interface, the rest: milliseconds since the one before), and that many bytes from the IP header on.
extension FuzzTarget {
    static func capturedPacket(_ bytes: Span<UInt8>) {
        var webrtc = WebRTCDetector(ports: .init(), excluding: [5555]), network = NetworkDetector(webrtc: .init(), zmq: .init())
        var reader = ByteReader(bytes), now = Instant.zero
        webrtc.listening(on: [12_000])
        while let length = reader.u8(), let how = reader.u8(), let record = reader.take(min(Int(length), reader.remaining)) {
            now += .milliseconds(Int(how >> 3) * 40)
            let captured = record.extracting(0..<min(record.count, CaptureFilter.snapLength))
            let isOutgoing = how & 1 != 0, interface = Int32(how >> 1 & 3)
            guard let packet = Packet(parsing: captured, wireLength: record.count, isOutgoing: isOutgoing, interface: interface) else {
                continue
            }
            precondition((0...captured.count).contains(packet.payloadOffset), "payload outside what was captured")
            precondition((0...65_535).contains(packet.payloadLength), "\(packet.payloadLength) bytes of payload")
            webrtc.observe(packet, payload: captured.extracting(packet.payloadOffset..<captured.count), at: now)
            network.observe(packet, at: now)
            if let flow = webrtc.nextQuestion() {
                webrtc.answer(flow, local: FlowOwner(pid: 1, process: "p", operatorID: "\(how)"), far: nil)
            }
            check(webrtc.evidence(at: now), webrtc.figures(at: now))
            _ = network.evidence(at: now)
        }
        settle(&webrtc)
    }

    private static func check(_ evidence: Evidence, _ figures: WebRTCDetector.Figures) {
        precondition((evidence.score == 90) == (evidence.connections > 0), "\(evidence)")
        precondition(figures.megabitsPerSecond >= 0 && (0...100).contains(figures.lossPct ?? 0), "\(figures)")
    }

    /// With nothing more to see everything ends and is forgotten, and every connection that began has ended.
    private static func settle(_ detector: inout WebRTCDetector) {
        var steps = 0
        while let due = detector.deadline {
            detector.advance(to: due)
            steps += 1
            precondition(steps < 100_000, "time-outs without end")
        }
        var open: [String: Int] = [:]
        while let change = detector.nextChange() { open[change.local + change.remote, default: 0] += change.isEstablished ? 1 : -1 }
        precondition(open.values.allSatisfy { $0 == 0 }, "\(open)")
    }
}
