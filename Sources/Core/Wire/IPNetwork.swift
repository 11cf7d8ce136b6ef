/// A range of addresses: `10.0.0.0/8`, `::1`.
public struct IPNetwork: Sendable, Hashable {
    private let base: [UInt8]
    private let bits: Int

    /// Nil when the text is no address with a prefix length that fits.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        base = address.bytes
        guard parts.count == 2 else {
            bits = base.count * 8
            return
        }
        guard let bits = Int(parts[1]), (0...base.count * 8).contains(bits) else { return nil }
        self.bits = bits
    }

    public func contains(_ address: IPAddress) -> Bool {
        let bytes = address.bytes
        guard bytes.count == base.count else { return false }
        for index in 0..<base.count {
            let left = bits - index * 8
            guard left > 0 else { return true }
            let mask = left >= 8 ? UInt8.max : UInt8.max << UInt8(8 - left)
            guard bytes[index] & mask == base[index] & mask else { return false }
        }
        return true
    }
}
