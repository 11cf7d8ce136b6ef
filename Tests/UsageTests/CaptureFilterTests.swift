import Usage
import Wire
import XCTest

final class CaptureFilterTests: XCTestCase {
    private let ports: [UInt16] = [3478, 19_302, 5349] + NetworkPorts.patterns
    private var filter: CaptureFilter { CaptureFilter(media: 10_000..<60_000, ports: ports) }
    private let a = SocketAddress(at: "192.0.2.1:0"), b = SocketAddress(at: "192.0.2.2:0")
    private let a6 = SocketAddress(at: "2001:db8::1:0"), b6 = SocketAddress(at: "2001:db8::2:0")

    private func keeps(_ filter: CaptureFilter, _ bytes: [UInt8], _ ancillary: FilterMachine.Ancillary = .init()) -> Bool? {
        FilterMachine.run(filter.instructions, on: bytes, ancillary).map { $0 > 0 }
    }

    private func packets(_ transport: Transport, _ source: UInt16, _ destination: UInt16) -> [(FilterMachine.Ancillary, [UInt8])] {
        let rest = transport == .udp ? Bytes.udp(source, destination, [1]) : Bytes.tcp(source, destination, [1])
        return [
            (.init(), Bytes.ipv4(transport.rawValue, from: a, to: b, rest)),
            (.init(), Bytes.ipv4(transport.rawValue, from: a, to: b, rest, options: 5)),
            (.init(networkProtocol: 0x86DD), Bytes.ipv6(transport.rawValue, from: a6, to: b6, rest)),
        ]
    }

    func testPortsThatPass() {
        let cases: [(Transport, UInt16, UInt16, Bool)] = [
            (.udp, 40_000, 443, true), (.udp, 443, 40_000, true), (.udp, 10_000, 1, true), (.udp, 9999, 1, false), (.udp, 59_999, 1, true),
            (.udp, 60_000, 1, false), (.udp, 53, 61_000, false), (.udp, 61_000, 3478, true), (.udp, 554, 61_000, true),
            (.udp, 61_000, 19_302, true), (.tcp, 443, 40_000, false), (.tcp, 80, 40_000, false), (.tcp, 40_000, 443, false),
            (.tcp, 22, 50_000, false), (.tcp, 3478, 40_000, true), (.tcp, 40_000, 5349, true), (.tcp, 5555, 40_000, true),
            (.tcp, 40_000, 8443, true), (.tcp, 5554, 40_000, false), (.tcp, 5559, 40_000, true), (.tcp, 5560, 40_000, false),
            (.tcp, 12_000, 40_000, true), (.tcp, 9999, 40_000, false), (.tcp, 61_000, 62_000, false), (.tcp, 61_000, 59_999, true),
            (.tcp, 8765, 40_000, false),
        ]
        for (transport, source, destination, expected) in cases {
            for (ancillary, bytes) in packets(transport, source, destination) {
                XCTAssertEqual(keeps(filter, bytes, ancillary), expected, "\(transport) \(source) to \(destination)")
            }
        }
        XCTAssertEqual(FilterMachine.run(filter.instructions, on: packets(.udp, 40_000, 1)[0].1), 160)
    }

    func testEachPacketWithinTheHostIsSeenOnceAndThoseOfOthersNever() {
        let bytes = packets(.udp, 40_000, 50_000)[0].1
        let cases: [(packetType: UInt32, hardwareType: UInt32, expected: Bool)] = [
            (0, 1, true), (1, 1, true), (2, 1, true), (3, 1, false), (4, 1, true), (0, 772, true), (4, 772, false),
        ]
        for (packetType, hardwareType, expected) in cases {
            let ancillary = FilterMachine.Ancillary(packetType: packetType, hardwareType: hardwareType)
            XCTAssertEqual(keeps(filter, bytes, ancillary), expected, "\(packetType) on \(hardwareType)")
        }
    }

    func testWhatIsNotUDPOrTCPIsDropped() {
        let udp = Bytes.udp(40_000, 50_000, [])
        XCTAssertEqual(keeps(filter, Bytes.ipv4(1, from: a, to: b, udp)), false, "ICMP")
        XCTAssertEqual(keeps(filter, Bytes.ipv4(17, from: a, to: b, udp, fragment: 0x2010)), false, "a later fragment")
        XCTAssertEqual(keeps(filter, Bytes.ipv4(17, from: a, to: b, udp), .init(networkProtocol: 0x0806)), false, "ARP")
        XCTAssertEqual(keeps(filter, []), false, "nothing")
        XCTAssertEqual(keeps(filter, Array(Bytes.ipv4(17, from: a, to: b, udp).prefix(21))), false, "cut in the ports")
    }

    func testTheProgramIsShortHoweverManyPortsThereAre() {
        XCTAssertLessThan(filter.instructions.count, 100)
        let many = CaptureFilter(media: 10_000..<60_000, ports: (0..<3000).map { UInt16($0 * 3 % 9000) })
        XCTAssertLessThan(many.instructions.count, 200)
        let few = CaptureFilter(media: 0..<0, ports: [])
        XCTAssertEqual(keeps(few, packets(.udp, 40_000, 50_000)[0].1), false)
        let all = CaptureFilter(media: -5..<100_000, ports: [0, 65_535])
        XCTAssertEqual(keeps(all, packets(.udp, 1, 2)[0].1), true)
    }

    func testItAgreesWithThePlainRule() {
        let seed = UInt64(81_001)
        var random = SeededRandom(seed: seed)
        let edges: [UInt16] = ports + ports.map { $0 + 1 } + ports.map { $0 - 1 } + [0, 9999, 10_000, 59_999, 60_000, 65_535]
        let program = filter, listed = Set(ports)
        for _ in 0..<20_000 {
            let pair = (0..<2).map { _ in
                Bool.random(using: &random) ? edges.randomElement(using: &random)! : UInt16.random(in: 0...65_535, using: &random)
            }
            let isTCP = Bool.random(using: &random)
            let isMedia = pair.contains { (10_000..<60_000).contains($0) } && (!isTCP || pair.allSatisfy { $0 >= 10_000 })
            let expected = isMedia || pair.contains(where: listed.contains)
            let (ancillary, bytes) = packets(isTCP ? .tcp : .udp, pair[0], pair[1]).randomElement(using: &random)!
            XCTAssertEqual(keeps(program, bytes, ancillary), expected, "\(isTCP ? "TCP" : "UDP") \(pair), seed \(seed)")
        }
    }
}
