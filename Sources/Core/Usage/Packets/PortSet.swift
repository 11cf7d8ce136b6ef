/// A set of port numbers that is asked for every packet: a bit for each.
struct PortSet: Sendable, Equatable {
    private var words = [UInt64](repeating: 0, count: 1024)

    init(_ ports: some Sequence<UInt16> = []) { for port in ports { insert(port) } }

    mutating func insert(_ port: UInt16) { words[Int(port >> 6)] |= 1 << UInt64(port & 63) }

    mutating func remove(_ port: UInt16) { words[Int(port >> 6)] &= ~(1 << UInt64(port & 63)) }

    /// Ports outside 0…65535 are left out.
    mutating func insert(_ ports: Range<Int>) {
        for port in ports.clamped(to: 0..<65_536) { insert(UInt16(port)) }
    }

    func contains(_ port: UInt16) -> Bool { words[Int(port >> 6)] >> UInt64(port & 63) & 1 != 0 }
}
