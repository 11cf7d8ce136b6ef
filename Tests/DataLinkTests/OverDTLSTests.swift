import CVirtualTime
import Crypto
import DataLink
import RTC
import Wire
import XCTest

/// The pieces of this module and of Crypto make what the engine asks for.
final class RealPieces: Environment {
    let crypto: CryptoContext
    init() throws { crypto = try CryptoContext(certificate: .selfSigned(unixTime: 1_790_000_000)) }
    var digests: any Digests { crypto.digests }
    var fingerprints: [Fingerprint] { crypto.fingerprints }
    func makeDTLS() -> any DTLSEndpoint { crypto.makeDTLS() }
    func makeSRTP(_ keys: SRTPKeyingMaterial) -> any SRTPSession { crypto.makeSRTP(keys) }
    func makeSCTP(_ parameters: SCTPParameters) -> any SCTPAssociation { SCTPStack.makeAssociation(parameters) }
    func random() -> UInt64 { crypto.random() }
}

/// SCTP in DTLS as a session has it: RFC 8261.
final class OverDTLSTests: XCTestCase {
    func testLargeMessageCrossesInDatagramsOfAtMost1200Bytes() throws {
        let environments = [try RealPieces(), try RealPieces()]
        let dtls = environments.map { $0.makeDTLS() }
        let sctp = environments.map { $0.makeSCTP(SCTPParameters()) }
        var now = Instant(nanoseconds: 7_000_000_000)
        dtls[1].start(role: .server, peerFingerprints: environments[0].fingerprints, at: now)
        dtls[0].start(role: .client, peerFingerprints: environments[1].fingerprints, at: now)
        var connected = [false, false], received: [[UInt8]] = [], largest = 0, flying: [(to: Int, bytes: [UInt8])] = []
        let message = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var isSent = false
        defer { virtual_time_off() }
        for _ in 0..<2000 where received.isEmpty {
            now += .milliseconds(5)
            virtual_time_set(1_790_000_000_000_000 + now.nanoseconds / 1000)
            for datagram in flying { dtls[datagram.to].receive(datagram.bytes.span, at: now) }
            flying.removeAll()
            for i in 0..<2 {
                dtls[i].advance(to: now)
                while let event = dtls[i].nextEvent() {
                    switch event {
                    case .connected: sctp[i].start(at: now)
                    case .data(let packet): sctp[i].receive(packet.span, at: now)
                    case .closed, .failed: XCTFail("\(event)")
                    }
                }
                sctp[i].advance(to: now)
                while let event = sctp[i].nextEvent() {
                    if case .connected = event { connected[i] = true }
                    if case .message(_, _, let bytes) = event { received.append(bytes) }
                }
                if connected[0], connected[1], !isSent {
                    isSent = sctp[0].send(SCTPMessage(stream: StreamID(0), protocolID: 53, bytes: message), at: now)
                    XCTAssertTrue(isSent)
                }
                while let packet = sctp[i].nextPacket() { dtls[i].send(packet.span, at: now) }
                while let datagram = dtls[i].nextDatagram() {
                    largest = max(largest, datagram.count)
                    flying.append((1 - i, datagram))
                }
            }
        }
        XCTAssertEqual(received, [message])
        XCTAssertTrue((1190...1200).contains(largest), "\(largest)")
    }
}
