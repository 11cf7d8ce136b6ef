import Usage
import Wire

/// What the usage monitor reads from strangers: a publisher's bytes, its messages, and input devices. A cut must not change the outcome.
extension FuzzTarget {
    /// The input is what a peer sends; with a first byte that is even, what it sends once the connection is open.
    static func zmtp(_ bytes: Span<UInt8>) {
        func read(_ pieces: [Range<Int>]) -> [String] {
            var subscriber = ZMTPSubscriber(), inspector = MessageInspector(), steps: [String] = []
            let greeting = subscriber.start()
            if bytes.count > 0, bytes[0] & 1 == 0 {
                var offset = 0
                let opening =
                    greeting + [4, 25, 5] + Array("READY".utf8) + [11] + Array("Socket-Type".utf8) + [0, 0, 0, 3] + Array("PUB".utf8)
                while subscriber.next(opening.span, &offset) != nil {}
                precondition(subscriber.isSubscribed, "a publisher is subscribed to")
            }
            for piece in pieces {
                let part = bytes.extracting(piece)
                var offset = 0
                while let event = subscriber.next(part, &offset) {
                    guard event == .message else {
                        steps.append("\(event)")
                        continue
                    }
                    let message = subscriber.message
                    precondition(
                        message.bytes.count <= ZMQMessage.limit && message.ends.count <= ZMQMessage.partLimit, "more than is looked at")
                    precondition(message.ends == message.ends.sorted() && message.ends.last ?? 0 <= message.bytes.count, "parts in order")
                    steps.append("\(message) \(check(inspector.inspect(message)))")
                }
                precondition(offset == part.count, "bytes are left")
            }
            return steps
        }
        precondition(read([0..<bytes.count]) == read([0..<cut(bytes), cut(bytes)..<bytes.count]), "a cut changes the outcome")
    }

    /// One message in two parts, and the same bytes as they would be captured.
    static func zmqMessage(_ bytes: Span<UInt8>) {
        var inspector = MessageInspector()
        let message = ZMQMessage(parts: [
            bytes.extracting(0..<cut(bytes)).array, bytes.extracting(cut(bytes)..<bytes.count).array,
        ])
        let first = check(inspector.inspect(message))
        _ = check(inspector.inspect(bytes))
        precondition(check(inspector.inspect(message)) == first, "what came before changes the outcome")
    }

    private static func check(_ finding: MessageInspector.Finding) -> MessageInspector.Finding {
        if let name = finding.operatorName {
            precondition(!name.isEmpty && name.unicodeScalars.count <= MessageInspector.longestName, "a name of \(name.count)")
            precondition(name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }, "control characters in a name")
        }
        precondition((finding.command == nil) == finding.word.isEmpty, "a command without its word")
        return finding
    }

    /// The first byte chooses the device.
    static func evdev(_ bytes: Span<UInt8>) {
        guard bytes.count > 0 else { return }
        let devices: [InputDetector.Description] = [
            .init(path: "gamepad", axes: [0: 0...255, 1: Int32.min...Int32.max, 16: -1...1, 17: 0...0], keys: [0x130]),
            .init(path: "keyboard", keys: [17, 30, 31, 32]), .init(path: "js", isJS: true),
        ]
        let device = devices[Int(bytes[0]) % devices.count], rest = bytes.extracting(1..<bytes.count)
        func read(_ pieces: [Range<Int>]) -> [String] {
            var detector = InputDetector(), steps: [String] = []
            precondition(detector.added(1, device, at: .zero), "a device of interest")
            for piece in pieces { detector.received(1, rest.extracting(piece), at: .zero + .seconds(1)) }
            steps.append("\(detector.evidence(at: .zero + .seconds(1)))")
            while let deadline = detector.deadline {
                detector.advance(to: deadline)
                steps.append("\(detector.evidence(at: deadline))")
            }
            precondition(detector.evidence(at: .zero + .seconds(9)) == .none, "a session without end")
            return steps
        }
        precondition(read([0..<rest.count]) == read([0..<cut(rest), cut(rest)..<rest.count]), "a cut changes the outcome")
    }
}
