import RTC
import Wire

/// One direction of data traffic: numbered messages whose every byte follows from their number.
struct SessionMessages {
    let options: DataChannelOptions
    /// Of the sending side, once open.
    var channel: DataChannelID?
    private(set) var sent = 0
    private(set) var received = 0
    private let seed: UInt64
    private var seen: Set<Int> = []

    init(_ options: DataChannelOptions, seed: UInt64) {
        self.options = options
        self.seed = seed
    }

    private var isReliable: Bool { options.reliability == .reliable }

    func next() -> DataMessage { message(sent) }
    mutating func wasSent() { sent += 1 }

    /// Mostly small; among the reliable ones some of 4 kB, and empty ones.
    private func message(_ number: Int) -> DataMessage {
        var random = SeededRandom(seed: seed &+ UInt64(number) &* 31)
        let draw = Int(random.next() % 100)
        if isReliable, draw == 0 { return .binary([]) }
        let size = isReliable ? (draw < 3 ? 4000 : 40 + Int(random.next() % 300)) : 40
        var bytes: [UInt8] = []
        bytes.append(u32: UInt32(truncatingIfNeeded: number))
        while bytes.count < size { bytes.append(u32: UInt32(truncatingIfNeeded: random.next())) }
        return draw < 50 ? .binary(bytes) : .text(Hex.encode(bytes))
    }

    /// What is wrong with a message that came; nil: nothing.
    mutating func receive(_ message: DataMessage) -> String? {
        received += 1
        if isReliable {
            // Ordered and complete: it can only be the next one.
            let expected = received - 1
            return message == self.message(expected) ? nil : "\(options.label) message \(expected) is not what was sent"
        }
        let bytes: [UInt8]
        switch message {
        case .binary(let binary): bytes = binary
        case .text(let text): bytes = Hex.decode(text) ?? []
        }
        guard bytes.count >= 4 else { return "\(options.label): a message of \(bytes.count) bytes" }
        let number = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard number < sent, message == self.message(number) else { return "\(options.label) message \(number) is not what was sent" }
        return seen.insert(number).inserted ? nil : "\(options.label) message \(number) came twice"
    }
}
