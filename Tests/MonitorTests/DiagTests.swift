import Monitor
import Usage
import Wire
import XCTest

/// Netlink and /proc texts, whatever they are.
final class DiagTests: XCTestCase {
    func testNothingThatANetlinkMessageHoldsTraps() {
        var random = SeededRandom(seed: 8)
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if bytes.count >= 72 {
                // Likely enough to get further in.
                let length = UInt32(Int.random(in: 0...bytes.count + 4, using: &random))
                bytes.replaceSubrange(0..<4, with: withUnsafeHost(length))
                bytes.replaceSubrange(4..<6, with: [[2, 3, 20].randomElement(using: &random)!, 0])
                bytes.replaceSubrange(8..<12, with: withUnsafeHost(UInt32(1)))
                bytes[16] = [2, 10].randomElement(using: &random)!
            }
            DiagReply.forEach(in: bytes.span, .tcp, sequence: 1) { _ in true }
            _ = DiagReply.listing(bytes.span, .tcp)
            _ = DatagramCounters.parseV4(bytes.span)
            _ = DatagramCounters.parseV6(bytes.span)
            _ = ProcessFiles.value(of: "USER=", in: bytes.span)
        }
    }

    private func withUnsafeHost(_ value: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(host: value)
        return bytes
    }

    func testCountersAreFoundByTheirNames() {
        let v4 = """
            Ip: Forwarding DefaultTTL
            Ip: 1 64
            Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors
            Udp: 12 3 4 567 0
            UdpLite: InDatagrams OutDatagrams
            UdpLite: 9 9

            """
        XCTAssertEqual(DatagramCounters.parseV4([UInt8](v4.utf8).span), .init(received: 12, sent: 567))
        let v6 = "Ip6InReceives    \t5\nUdp6InDatagrams                 \t7\nUdp6OutDatagrams  \t8\n"
        XCTAssertEqual(DatagramCounters.parseV6([UInt8](v6.utf8).span), .init(received: 7, sent: 8))
        XCTAssertNil(DatagramCounters.parseV4([UInt8]("Udp: InDatagrams\nUdp: x\n".utf8).span))
        XCTAssertNil(DatagramCounters.parseV6([UInt8]("Udp6InDatagrams\n".utf8).span))
    }

    func testAnEnvironmentsEntryIsFoundWhole() {
        let environment = [UInt8]("AUSER=no\0USER=anna\0OPERATOR_ID=a\u{7}b\0EMPTY=\0USER=late".utf8)
        XCTAssertEqual(ProcessFiles.value(of: "USER=", in: environment.span), "anna")
        XCTAssertEqual(ProcessFiles.value(of: "OPERATOR_ID=", in: environment.span), "ab", "control characters are removed")
        XCTAssertNil(ProcessFiles.value(of: "EMPTY=", in: environment.span))
        XCTAssertNil(ProcessFiles.value(of: "SER=", in: environment.span))
        let long = [UInt8](("USER=" + String(repeating: "x", count: 500)).utf8)
        XCTAssertEqual(ProcessFiles.value(of: "USER=", in: long.span), String(repeating: "x", count: 64))
    }
}
