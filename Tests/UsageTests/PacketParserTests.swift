import Usage
import Wire
import XCTest

final class PacketParserTests: XCTestCase {
    private let a4 = SocketAddress(at: "192.0.2.1:1111"), b4 = SocketAddress(at: "192.0.2.2:2222")
    private let a6 = SocketAddress(at: "2001:db8::1:1111"), b6 = SocketAddress(at: "2001:db8::2:2222")

    private func parse(_ bytes: [UInt8], wireLength: Int? = nil, captured: Int = 160) -> Packet? {
        Packet(
            parsing: bytes.span.extracting(0..<min(bytes.count, captured)), wireLength: wireLength ?? bytes.count, isOutgoing: true,
            interface: 3)
    }

    func testHeadersOfEveryKindAreRead() throws {
        let payload = [UInt8](repeating: 7, count: 50)
        let udp = Bytes.udp(1111, 2222, payload), tcp = Bytes.tcp(1111, 2222, payload, options: 3)
        let hopByHop: [UInt8] = [60, 0, 0, 0, 0, 0, 0, 0], destination: [UInt8] = [17, 1] + [UInt8](repeating: 0, count: 14)
        let authentication: [UInt8] = [17, 4] + [UInt8](repeating: 0, count: 22), fragment: [UInt8] = [17, 0, 0, 1, 0, 0, 0, 9]
        let cases: [(String, [UInt8], Transport, Int)] = [
            ("IPv4, UDP", Bytes.ipv4(17, from: a4, to: b4, udp), .udp, 28),
            ("IPv4 with options, UDP", Bytes.ipv4(17, from: a4, to: b4, udp, options: 2), .udp, 36),
            ("IPv4, TCP with options", Bytes.ipv4(6, from: a4, to: b4, tcp), .tcp, 52),
            ("IPv6, UDP", Bytes.ipv6(17, from: a6, to: b6, udp), .udp, 48),
            ("IPv6, TCP", Bytes.ipv6(6, from: a6, to: b6, tcp), .tcp, 72),
            ("two extension headers", Bytes.ipv6(0, from: a6, to: b6, hopByHop + destination + udp), .udp, 72),
            ("authentication", Bytes.ipv6(51, from: a6, to: b6, authentication + udp), .udp, 72),
            ("a first fragment", Bytes.ipv6(44, from: a6, to: b6, fragment + udp), .udp, 56),
        ]
        for (name, bytes, transport, offset) in cases {
            let packet = try XCTUnwrap(parse(bytes), name)
            XCTAssertEqual(packet.transport, transport, name)
            XCTAssertEqual(packet.payloadOffset, offset, name)
            XCTAssertEqual(packet.payloadLength, 50, name)
            let isV6 = name.contains("IPv6") || bytes[0] >> 4 == 6
            XCTAssertEqual(packet.source, isV6 ? a6 : a4, name)
            XCTAssertEqual(packet.destination, isV6 ? b6 : b4, name)
            XCTAssertEqual(packet.interface, 3)
            if transport == .tcp {
                XCTAssertEqual(packet.tcpFlags, .ack)
                XCTAssertEqual(packet.tcpSequence, 0x0102_0304)
            }
        }
    }

    func testWhatIsNotUDPOrTCPIsRefused() {
        let udp = Bytes.udp(1, 2, [1, 2, 3])
        let cases: [(String, [UInt8])] = [
            ("nothing", []), ("version 5", [0x55] + [UInt8](repeating: 0, count: 60)),
            ("ICMP", Bytes.ipv4(1, from: a4, to: b4, udp)), ("a later fragment", Bytes.ipv4(17, from: a4, to: b4, udp, fragment: 0x2010)),
            ("IHL of 4", [0x44] + Bytes.ipv4(17, from: a4, to: b4, udp).dropFirst()),
            ("total length below the header", Bytes.ipv4(17, from: a4, to: b4, udp, totalLength: 19)),
            ("a later IPv6 fragment", Bytes.ipv6(44, from: a6, to: b6, [17, 0, 0, 8, 0, 0, 0, 9] + udp)),
            ("nine extension headers", Bytes.ipv6(0, from: a6, to: b6, (0..<9).flatMap { _ in [UInt8](repeating: 0, count: 8) } + udp)),
            ("TCP offset of 4", Bytes.ipv4(6, from: a4, to: b4, Bytes.tcp(1, 2, [], options: -1))),
            ("UDP length of 7", Bytes.ipv4(17, from: a4, to: b4, Bytes.udp(1, 2, [], length: 7))),
        ]
        for (name, bytes) in cases { XCTAssertNil(parse(bytes), name) }
    }

    func testThePayloadsLengthIsTheWiresAndPlausible() throws {
        let payload = [UInt8](repeating: 0, count: 1000)
        let udp = Bytes.ipv4(17, from: a4, to: b4, Bytes.udp(1, 2, payload)), tcp = Bytes.tcp(1, 2, payload)
        XCTAssertEqual(parse(udp)?.payloadLength, 1000, "cut to 160 bytes")
        // A network card pads short frames; the IP length says what is meant.
        XCTAssertEqual(parse(Bytes.ipv4(17, from: a4, to: b4, Bytes.udp(1, 2, [1])) + [0, 0, 0])?.payloadLength, 1)
        XCTAssertEqual(parse(Bytes.ipv4(6, from: a4, to: b4, tcp, totalLength: 0), wireLength: 60_040)?.payloadLength, 60_000, "TSO")
        XCTAssertEqual(parse(Bytes.ipv4(6, from: a4, to: b4, tcp, totalLength: 65_535))?.payloadLength, 1000, "a length that lies")
        XCTAssertEqual(parse(Bytes.ipv4(17, from: a4, to: b4, Bytes.udp(1, 2, payload, length: 65_000)))?.payloadLength, 1000)
        let first = Bytes.ipv4(17, from: a4, to: b4, Bytes.udp(1, 2, payload, length: 3008), fragment: 0x2000)
        XCTAssertEqual(parse(first)?.payloadLength, 3000, "the first fragment stands for all")
    }

    func testNothingTrapsWhereverItIsCutOrDamaged() {
        let seed = UInt64(20_260_701)
        var random = SeededRandom(seed: seed)
        let whole = [
            Bytes.ipv4(17, from: a4, to: b4, Bytes.udp(1, 2, [UInt8](repeating: 0, count: 90))),
            Bytes.ipv6(0, from: a6, to: b6, [43, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0] + Bytes.tcp(1, 2, [1, 2, 3], options: 5)),
        ]
        for bytes in whole {
            for length in 0...bytes.count { _ = parse(Array(bytes[..<length]), wireLength: bytes.count) }
            for _ in 0..<20_000 {
                var damaged = bytes
                for _ in 0..<3 {
                    damaged[Int.random(in: 0..<min(bytes.count, 70), using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                let captured = Int.random(in: 0...160, using: &random)
                guard let packet = parse(damaged, captured: captured) else { continue }
                XCTAssertLessThanOrEqual(packet.payloadOffset, min(captured, damaged.count), "seed \(seed)")
                XCTAssertGreaterThanOrEqual(packet.payloadLength, 0, "seed \(seed)")
                XCTAssertLessThanOrEqual(packet.payloadLength, 65_535, "seed \(seed)")
            }
        }
    }
}
