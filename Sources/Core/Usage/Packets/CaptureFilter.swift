/// A classic BPF program for a packet socket that sees packets from the IP header on (`SOCK_DGRAM`): what of all traffic reaches the program
/// at all (section 8.1). It may let through more than the detectors want, never less, fragments and IPv6 extension headers aside.
public struct CaptureFilter: Sendable, Equatable {
    /// `struct sock_filter` of the kernel.
    public struct Instruction: Sendable, Equatable {
        /// What it does, of the words of `linux/filter.h`.
        public var code: UInt16
        /// Instructions to skip when the test holds, and when not.
        public var jt: UInt8
        public var jf: UInt8
        /// What it works with: an offset, a value or an answer.
        public var k: UInt32

        public init(code: UInt16, jt: UInt8 = 0, jf: UInt8 = 0, k: UInt32) {
            (self.code, self.jt, self.jf, self.k) = (code, jt, jf, k)
        }
    }

    /// Bytes of a packet that are captured.
    public static let snapLength = 160
    /// Of ports; more are merged across the smallest gaps, as the detectors look again anyway.
    private static let largestRangeCount = 24

    /// To be attached by `SO_ATTACH_FILTER`; fewer than 100 for the ports of section 2, never more than 200.
    /// Of TCP with a port of media both ports are at least this, or in `media`: a client's port is high.
    private static let leastEphemeral: UInt32 = 10_000

    public private(set) var instructions: [Instruction] = []

    /// - Parameters:
    ///   - media: UDP with one of these ports, and TCP with one while both ports are 10000 or more, so that no download is captured.
    ///   - ports: TCP and UDP with one of these, at either end.
    public init(media: Range<Int>, ports: some Sequence<UInt16>) {
        dropUnwanted()
        loadTransport()
        let ranges = Self.merged(ports)
        for offset in [Self.sourcePort, Self.destinationPort] {
            emit(Self.loadHalfAtX, offset)
            for range in ranges { accept(range) }
        }
        let media = media.clamped(to: 0..<65_536)
        if !media.isEmpty { acceptMedia(UInt32(media.lowerBound)...UInt32(media.upperBound - 1)) }
        emit(Self.answer, 0)
    }

    // MARK: Parts of the program

    /// Packets for other hosts, and of the two copies of each packet within this host the outgoing one.
    private mutating func dropUnwanted() {
        emit(Self.loadWord, Self.packetType)
        dropIf(equal: 3)
        emit(Self.jumpIfEqual, 4, jt: 0, jf: 3)
        emit(Self.loadWord, Self.hardwareType)
        dropIf(equal: 772)
    }

    /// The transport's number to M[0], the length of the IP header to X; what is neither IP nor UDP or TCP is dropped.
    private mutating func loadTransport() {
        emit(Self.loadWord, Self.networkProtocol)
        emit(Self.jumpIfEqual, 0x0800, jt: 0, jf: 6)
        emit(Self.loadHalf, 6)
        emit(Self.jumpIfAny, 0x1FFF, jt: 0, jf: 1)
        emit(Self.answer, 0)
        emit(Self.loadHeaderLengthToX, 0)
        emit(Self.loadByte, 9)
        emit(Self.jump, 4)
        emit(Self.jumpIfEqual, 0x86DD, jt: 1, jf: 0)
        emit(Self.answer, 0)
        emit(Self.loadToX, 40)
        emit(Self.loadByte, 6)
        emit(Self.store, 0)
        emit(Self.jumpIfEqual, 17, jt: 2, jf: 0)
        emit(Self.jumpIfEqual, 6, jt: 1, jf: 0)
        emit(Self.answer, 0)
    }

    private mutating func acceptMedia(_ media: ClosedRange<UInt32>) {
        emit(Self.load, 0)
        emit(Self.jumpIfEqual, 17, jt: 6, jf: 0)
        for offset in [Self.sourcePort, Self.destinationPort] {
            emit(Self.loadHalfAtX, offset)
            emit(Self.jumpIfAtLeast, min(Self.leastEphemeral, media.lowerBound), jt: 1, jf: 0)
            emit(Self.answer, 0)
        }
        for offset in [Self.sourcePort, Self.destinationPort] {
            emit(Self.loadHalfAtX, offset)
            accept(media)
        }
    }

    /// Every test has its own answer behind it, so that no jump is ever long.
    private mutating func accept(_ range: ClosedRange<UInt32>) {
        if range.lowerBound == range.upperBound {
            emit(Self.jumpIfEqual, range.lowerBound, jt: 0, jf: 1)
        } else {
            emit(Self.jumpIfAtLeast, range.lowerBound, jt: 0, jf: 2)
            emit(Self.jumpIfAbove, range.upperBound, jt: 1, jf: 0)
        }
        emit(Self.answer, UInt32(Self.snapLength))
    }

    private mutating func dropIf(equal value: UInt32) {
        emit(Self.jumpIfEqual, value, jt: 0, jf: 1)
        emit(Self.answer, 0)
    }

    private mutating func emit(_ code: UInt16, _ k: UInt32, jt: UInt8 = 0, jf: UInt8 = 0) {
        instructions.append(Instruction(code: code, jt: jt, jf: jf, k: k))
    }

    private static func merged(_ ports: some Sequence<UInt16>) -> [ClosedRange<UInt32>] {
        var ranges: [ClosedRange<UInt32>] = []
        for port in Set(ports).sorted().map({ UInt32($0) }) {
            if let last = ranges.last, last.upperBound + 1 == port {
                ranges[ranges.count - 1] = last.lowerBound...port
            } else {
                ranges.append(port...port)
            }
        }
        while ranges.count > largestRangeCount {
            let place = (1..<ranges.count).min {
                ranges[$0].lowerBound - ranges[$0 - 1].upperBound < ranges[$1].lowerBound - ranges[$1 - 1].upperBound
            }!
            ranges[place - 1] = ranges[place - 1].lowerBound...ranges.remove(at: place).upperBound
        }
        return ranges
    }

    // MARK: Words of the language (linux/filter.h)

    private static let loadWord: UInt16 = 0x20, loadHalf: UInt16 = 0x28, loadByte: UInt16 = 0x30, loadHalfAtX: UInt16 = 0x48
    private static let load: UInt16 = 0x60, store: UInt16 = 0x02
    private static let loadToX: UInt16 = 0x01, loadHeaderLengthToX: UInt16 = 0xB1
    private static let jump: UInt16 = 0x05, jumpIfEqual: UInt16 = 0x15, jumpIfAbove: UInt16 = 0x25, jumpIfAtLeast: UInt16 = 0x35
    private static let jumpIfAny: UInt16 = 0x45, answer: UInt16 = 0x06
    /// What is known of a packet beside its bytes stands at negative offsets (`SKF_AD_OFF`).
    private static let networkProtocol: UInt32 = 0xFFFF_F000, packetType: UInt32 = 0xFFFF_F004, hardwareType: UInt32 = 0xFFFF_F01C
    private static let sourcePort: UInt32 = 0, destinationPort: UInt32 = 2
}
