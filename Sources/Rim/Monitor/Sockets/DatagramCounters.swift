import Glibc
import Wire

/// The host's counters of UDP datagrams, of /proc/net/snmp (IPv4) and snmp6.
public final class DatagramCounters {
    /// UDP datagrams since the machine started.
    public struct Counts: Sendable, Equatable {
        /// Read by programs: what waits in a socket is not counted yet.
        public var received: UInt64
        /// Sent by programs.
        public var sent: UInt64

        public init(received: UInt64, sent: UInt64) { (self.received, self.sent) = (received, sent) }
    }

    /// Kept open and read from the start each time.
    private let descriptors: (v4: Int32, v6: Int32)

    public init() {
        descriptors = unsafe (open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC), open("/proc/self/net/snmp6", O_RDONLY | O_CLOEXEC))
    }

    deinit {
        if descriptors.v4 >= 0 { close(descriptors.v4) }
        if descriptors.v6 >= 0 { close(descriptors.v6) }
    }

    /// Both families together; nil when the first file is missing or says nothing.
    public func read() -> Counts? {
        guard var counts = Self.read(descriptors.v4, Self.parseV4) else { return nil }
        if let v6 = Self.read(descriptors.v6, Self.parseV6) {
            counts.received &+= v6.received
            counts.sent &+= v6.sent
        }
        return counts
    }

    private static func read(_ descriptor: Int32, _ parse: (Span<UInt8>) -> Counts?) -> Counts? {
        guard descriptor >= 0 else { return nil }
        return unsafe withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { buffer in
            let count = unsafe pread(descriptor, buffer.baseAddress!, buffer.count, 0)
            guard count > 0 else { return nil }
            return unsafe parse(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])))
        }
    }

    /// Two lines `Udp: `, names and values: the values are looked for by the places of `InDatagrams` and `OutDatagrams`.
    package static func parseV4(_ text: Span<UInt8>) -> Counts? {
        var names = WordReader(text), values: WordReader
        guard names.skip(toLine: "Udp:") else { return nil }
        values = names
        guard values.skip(toLine: "Udp:") else { return nil }
        var (received, sent): (UInt64?, UInt64?) = (nil, nil)
        while let name = names.word(), let value = values.word() {
            if name.equals("InDatagrams") { received = value.number }
            if name.equals("OutDatagrams") { sent = value.number }
        }
        guard let received, let sent else { return nil }
        return Counts(received: received, sent: sent)
    }

    /// Lines of a name and a value.
    package static func parseV6(_ text: Span<UInt8>) -> Counts? {
        var received = WordReader(text), sent = WordReader(text)
        guard received.skip(toLine: "Udp6InDatagrams"), sent.skip(toLine: "Udp6OutDatagrams") else { return nil }
        guard let received = received.word()?.number, let sent = sent.word()?.number else { return nil }
        return Counts(received: received, sent: sent)
    }
}
