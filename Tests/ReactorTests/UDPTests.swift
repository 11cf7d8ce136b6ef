import Reactor
import TestSupport
import Wire
import XCTest

final class UDPTests: XCTestCase {
    private static let loopback = SocketAddress(IPAddress(127, 0, 0, 1), 0)

    /// Whatever the kernel helps with, the wire sees the same datagrams.
    func testAllWaysOfSendingGiveTheSameDatagrams() async throws {
        let cases: [(name: String, bytes: Int, segment: Int)] = [
            ("one", 900, 900), ("one, short", 10, 1200), ("even", 12_000, 1200), ("last shorter", 12_001, 1200),
            ("last one byte", 1201, 1200),
            ("more than a batch", 100 * 300 + 7, 300),
        ]
        for (name, count, segment) in cases {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let expected = stride(from: 0, to: count, by: segment).map { Array(bytes[$0..<min($0 + segment, count)]) }
            for offload in [UDPSocket.Offload.segmentation, .batch, .single] {
                let loop = try Loop()
                let log = Log<[UInt8]>()
                let statistics = try await loop.run { loop in
                    let receiver = loop.keep(
                        try UDPSocket(Self.loopback, reactor: loop.reactor) { socket in
                            socket.receive { bytes, _ in log.add(unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }) }
                        })
                    let sender = loop.keep(try UDPSocket(Self.loopback, reactor: loop.reactor, offload: offload) { _ in })
                    sender.send(bytes.span, segmentSize: segment, to: receiver.address)
                    return (sender.calls, sender.dropped)
                }
                let received = try await log.wait(expected.count)
                XCTAssertEqual(received, expected, "\(name), \(offload)")
                XCTAssertEqual(statistics.1, 0, "\(name), \(offload)")
                await loop.stop()
            }
        }
    }

    func testADatagramTellsItsSender() async throws {
        let loop = try Loop()
        let log = Log<SocketAddress>()
        let expected = try await loop.run { loop in
            let receiver = loop.keep(
                try UDPSocket(Self.loopback, reactor: loop.reactor) { $0.receive { _, source in log.add(source) } })
            let sender = loop.keep(try UDPSocket(Self.loopback, reactor: loop.reactor) { _ in })
            sender.send([1, 2, 3].span, segmentSize: 3, to: receiver.address)
            return sender.address
        }
        let sources = try await log.wait()
        XCTAssertEqual(sources, [expected])
        await loop.stop()
    }

    /// What the kernel joined on the way is told apart again, in order.
    func testAFramesDatagramsComeOneByOne() async throws {
        let frame = (0..<40 * 1200 + 7).map { UInt8(truncatingIfNeeded: $0 / 1200) }
        for offload in [UDPSocket.Offload.segmentation, .batch, .single] {
            let loop = try Loop()
            let log = Log<[UInt8]>()
            try await loop.run { loop in
                let receiver = loop.keep(
                    try UDPSocket(Self.loopback, reactor: loop.reactor) { socket in
                        socket.receive { bytes, _ in log.add(unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }) }
                    })
                let sender = loop.keep(try UDPSocket(Self.loopback, reactor: loop.reactor, offload: offload) { _ in })
                sender.send(frame.span, segmentSize: 1200, to: receiver.address)
            }
            let expected = stride(from: 0, to: frame.count, by: 1200).map { Array(frame[$0..<min($0 + 1200, frame.count)]) }
            let heard = try await log.wait(expected.count)
            XCTAssertEqual(heard, expected, offload.rawValue)
            await loop.stop()
        }
    }

    /// Nothing of ours is longer; what the kernel cut is not handed on in part.
    func testAnOversizedDatagramIsLeftOut() async throws {
        let loop = try Loop()
        let log = Log<Int>()
        try await loop.run { loop in
            let receiver = loop.keep(
                try UDPSocket(Self.loopback, reactor: loop.reactor) { $0.receive { bytes, _ in log.add(bytes.count) } })
            let sender = loop.keep(try UDPSocket(Self.loopback, reactor: loop.reactor) { _ in })
            for count in [5000, 2048, 2049] {
                sender.send([UInt8](repeating: 7, count: count).span, segmentSize: count, to: receiver.address)
            }
            sender.send([1].span, segmentSize: 1, to: receiver.address)
        }
        let sizes = try await log.wait(2)
        XCTAssertEqual(sizes, [2048, 1])
        await loop.stop()
    }

    private static func freePort(_ reactor: Reactor) throws -> UInt16 {
        try UDPSocket(SocketAddress(IPAddress(0, 0, 0, 0), 0), reactor: reactor) { _ in }.address.port
    }

    func testAGroupHearsWhatIsSentToIt() async throws {
        let loop = try Loop()
        let log = Log<[UInt8]>()
        let group = SocketAddress(IPAddress(239, 255, 77, 88), 0)
        try await loop.run { loop in
            let interfaces = hostAddresses().filter { $0.family == .v4 }
            let here = SocketAddress(group.ip, try Self.freePort(loop.reactor))
            let socket = loop.keep(
                try UDPSocket(group: here, interfaces: interfaces, reactor: loop.reactor) { socket in
                    socket.receive { bytes, _ in log.add(unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }) }
                })
            socket.multicast([4, 5, 6], to: here)
        }
        let heard = try await log.wait()
        XCTAssertEqual(heard.first, [4, 5, 6])
        await loop.stop()
    }
}
