import Glibc
import Monitor
import Reactor
import TestSupport
import Wire
import XCTest

final class PacketCaptureTests: XCTestCase {
    struct Seen: Sendable, Equatable {
        var bytes: [UInt8]
        var wireLength: Int
        var isOutgoing: Bool
        var when: Instant
    }

    /// IPv4 packets with this port at either end, 160 bytes of each.
    private static func only(_ port: UInt16) -> [FilterInstruction] {
        [
            // ldxb 4*([0]&0xf): the header's length; ldh [x+0], [x+2]: the ports
            FilterInstruction(0xB1, k: 0), FilterInstruction(0x48, k: 0), FilterInstruction(0x15, jumpTrue: 2, k: UInt32(port)),
            FilterInstruction(0x48, k: 2), FilterInstruction(0x15, jumpFalse: 1, k: UInt32(port)), .keep(160), .keep(0),
        ]
    }

    /// Without the right the error says so, and what to do; nothing else is tested then, and the test says it.
    private static func capture(
        _ loop: isolated Loop, _ filter: [FilterInstruction], _ log: Log<Seen>, limits: PacketCapture.Limits = .init()
    ) throws -> PacketCapture? {
        do {
            return loop.keep(
                try PacketCapture(filter: filter, reactor: loop.reactor, limits: limits) { packet in
                    log.add(
                        Seen(bytes: packet.bytes.array, wireLength: packet.wireLength, isOutgoing: packet.isOutgoing, when: packet.when))
                })
        } catch CaptureError.notPermitted {
            XCTAssertFalse(Self.hasRight, "with CAP_NET_RAW packets are captured")
            XCTAssertTrue("\(CaptureError.notPermitted)".contains("CAP_NET_RAW"))
            print("CAP_NET_RAW is missing: only its error was tested")
            return nil
        }
    }

    private static var hasRight: Bool {
        let status = Files.text("/proc/self/status")
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") } ?? ""
        return (UInt64(line.split(separator: "\t").last ?? "0", radix: 16) ?? 0) & 1 << 13 != 0
    }

    func testADatagramOnLoopbackIsSeenOnceWithItsLengthAndTime() async throws {
        let (receiver, port) = RawSocket.bound(SOCK_DGRAM), sender = RawSocket.bound(SOCK_DGRAM).descriptor
        defer { for descriptor in [receiver, sender] { close(descriptor) } }
        let loop = try Loop(), log = Log<Seen>()
        // Sent before the capture begins: never seen.
        RawSocket.send(sender, [0xEE], to: port)
        let isOpen = try await loop.run { try Self.capture($0, Self.only(port), log) != nil }
        guard isOpen else { return }
        let before = MonotonicClock.now()
        RawSocket.send(sender, [UInt8](repeating: 0xAA, count: 300), to: port)
        RawSocket.send(sender, [1, 2, 3], to: port)
        let seen = try await log.wait(2)
        let after = MonotonicClock.now()
        try await Task.sleep(nanoseconds: 60_000_000)
        XCTAssertEqual(log.all.count, 2, "each once, and none from before")
        XCTAssertEqual(seen.map(\.wireLength), [328, 31])
        XCTAssertEqual(seen[0].bytes.count, 160, "what the filter keeps")
        XCTAssertEqual(Array(seen[1].bytes.suffix(3)), [1, 2, 3])
        XCTAssertEqual(seen[1].bytes[0], 0x45, "from the IP header on")
        for packet in seen {
            XCTAssertFalse(packet.isOutgoing)
            XCTAssertGreaterThan(packet.when, before - .milliseconds(1))
            XCTAssertLessThan(packet.when, after)
        }
        XCTAssertLessThan(seen[1].when - seen[0].when, .milliseconds(10), "the kernel's times, not that of reading")
        await loop.stop()
    }

    func testWithoutTheRightTheErrorSaysWhatIsMissing() async throws {
        let loop = try Loop()
        try await loop.run { loop in
            Rights.drop()
            defer { Rights.takeBack() }
            XCTAssertThrowsError(try PacketCapture(filter: [.keep(0)], reactor: loop.reactor) { _ in }) { error in
                XCTAssertEqual(error as? CaptureError, .notPermitted)
                XCTAssertTrue("\(error)".contains("CAP_NET_RAW"))
            }
        }
        await loop.stop()
    }

    func testTCPIsSeen() async throws {
        let (listener, port) = RawSocket.bound(SOCK_STREAM)
        listen(listener, 4)
        let loop = try Loop(), log = Log<Seen>()
        guard try await loop.run({ try Self.capture($0, Self.only(port), log) != nil }) else { return }
        let client = RawSocket.bound(SOCK_STREAM).descriptor
        XCTAssertTrue(RawSocket.connect(client, to: port))
        _ = unsafe write(client, [UInt8]("hello".utf8), 5)
        // SYN, SYN+ACK, ACK, data, ACK
        let seen = try await log.wait(5)
        XCTAssertEqual(seen[0].bytes[33] & 0x12, 2, "SYN first")
        XCTAssertTrue(seen.contains { $0.bytes.suffix(5) == [UInt8]("hello".utf8) })
        for descriptor in [listener, client] { close(descriptor) }
        await loop.stop()
    }

    /// Whatever comes, reading costs no more than its share of a core.
    func testAFloodIsReadOnlyForItsShare() async throws {
        let (receiver, port) = RawSocket.bound(SOCK_DGRAM), sender = RawSocket.bound(SOCK_DGRAM).descriptor
        defer { for descriptor in [receiver, sender] { close(descriptor) } }
        let loop = try Loop()
        var limits = PacketCapture.Limits()
        limits.longestCredit = .milliseconds(2)
        let capture = Held<PacketCapture>(), sum = Held(0), marked = Held(false)
        let isOpen = try await loop.run { [limits] loop in
            do {
                capture.value = try PacketCapture(filter: Self.only(port), reactor: loop.reactor, limits: limits) { packet in
                    if packet.wireLength == 29 { marked.value = true }
                    // As much work as the detectors have with a packet, about a microsecond.
                    for _ in 0..<10 { for index in 0..<packet.bytes.count { sum.value = sum.value! &* 31 &+ Int(packet.bytes[index]) } }
                }
                return true
            } catch CaptureError.notPermitted {
                XCTAssertFalse(Self.hasRight)
                return false
            }
        }
        guard isOpen else { return }
        let cpuBefore = await loop.run { _ in Self.threadTime() }
        let begin = MonotonicClock.now()
        let payload = [UInt8](repeating: 7, count: 100)
        var sent = 0
        while MonotonicClock.now() - begin < .seconds(2) {
            for _ in 0..<100 { RawSocket.send(sender, payload, to: port) }
            sent += 100
        }
        let took = MonotonicClock.now() - begin
        let (cpu, seen, dropped, pauses) = await loop.run { _ in
            (Self.threadTime() - cpuBefore, capture.value!.seen, capture.value!.dropped, capture.value!.pauses)
        }
        XCTAssertGreaterThan(dropped, 0)
        XCTAssertGreaterThan(pauses, 0)
        XCTAssertGreaterThan(seen, 100)
        // Its share is 1 %; to read all would take the whole core. What lies between is room for machines that are busy.
        XCTAssertLessThan(cpu.seconds / took.seconds, 0.2)
        // It sees again what comes afterwards: the pause that is left, and what still lies in the ring, come first.
        try await eventually("a marked packet") {
            RawSocket.send(sender, [0x5A], to: port)
            try? await Task.sleep(nanoseconds: 50_000_000)
            return await loop.run { _ in marked.value! }
        }
        await loop.run { _ in capture.value = nil }
        await loop.stop()
    }

    private static func threadTime() -> Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Duration(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// What the ring adds to VmRSS, which spec section 17 bounds.
    func testTheRingIsSmall() async throws {
        let loop = try Loop(), log = Log<Seen>(), usage = ResourceUsage()
        let before = usage.sample().residentBytes
        guard try await loop.run({ try Self.capture($0, [.keep(0)], log) != nil }) else { return }
        let after = usage.sample().residentBytes
        print("packet ring: \((after - before) / 1024) KiB resident")
        XCTAssertLessThan(after - before, 1 << 20)
        await loop.stop()
    }
}
