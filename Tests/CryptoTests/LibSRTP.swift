import CSRTP
import Crypto
import RTC
import Wire
import XCTest

/// libsrtp2 as the judge: one session for each direction of one side's keys.
@safe final class LibSRTP {
    private var sender: srtp_t?
    private var receiver: srtp_t?

    init(_ keys: SRTPKeyingMaterial) {
        _ = srtp_init()
        unsafe sender = Self.make(keys.profile, keys.sendKey + keys.sendSalt, ssrc_any_outbound)
        unsafe receiver = Self.make(keys.profile, keys.receiveKey + keys.receiveSalt, ssrc_any_inbound)
    }

    deinit {
        unsafe srtp_dealloc(sender)
        unsafe srtp_dealloc(receiver)
    }

    private static func make(_ profile: SRTPProfile, _ key: [UInt8], _ kind: srtp_ssrc_type_t) -> srtp_t? {
        var policy = unsafe srtp_policy_t()
        switch profile {
        case .aeadAES128GCM:
            unsafe srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp)
            unsafe srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp)
        case .aes128CMHMACSHA1_80:
            unsafe srtp_crypto_policy_set_rtp_default(&policy.rtp)
            unsafe srtp_crypto_policy_set_rtcp_default(&policy.rtcp)
        }
        unsafe policy.ssrc.type = kind
        unsafe policy.window_size = 1024
        unsafe policy.allow_repeat_tx = 1
        var key = key
        var session: srtp_t?
        let status = unsafe key.withUnsafeMutableBufferPointer { bytes in
            unsafe policy.key = bytes.baseAddress
            return unsafe srtp_create(&session, &policy)
        }
        XCTAssertEqual(status, srtp_err_status_ok)
        return unsafe session
    }

    func protectRTP(_ packet: [UInt8]) -> [UInt8]? { unsafe call(packet) { unsafe srtp_protect(sender, $0, $1) } }
    func protectRTCP(_ packet: [UInt8]) -> [UInt8]? { unsafe call(packet) { unsafe srtp_protect_rtcp(sender, $0, $1) } }
    func unprotectRTP(_ packet: [UInt8]) -> [UInt8]? { unsafe call(packet) { unsafe srtp_unprotect(receiver, $0, $1) } }
    func unprotectRTCP(_ packet: [UInt8]) -> [UInt8]? { unsafe call(packet) { unsafe srtp_unprotect_rtcp(receiver, $0, $1) } }

    private func call(
        _ packet: [UInt8], _ body: (UnsafeMutableRawPointer?, UnsafeMutablePointer<Int32>) -> srtp_err_status_t
    ) -> [UInt8]? {
        // libsrtp wants whole words and room for its trailer.
        var words = [UInt32](repeating: 0, count: (packet.count + 160) / 4)
        var length = Int32(packet.count)
        return unsafe words.withUnsafeMutableBytes { bytes in
            unsafe bytes.copyBytes(from: packet)
            let status = unsafe body(bytes.baseAddress, &length)
            return status == srtp_err_status_ok ? unsafe Array(bytes[..<Int(length)]) : nil
        }
    }
}

final class SRTPInteroperationTests: XCTestCase {
    private let ssrc: UInt32 = 0x0BAD_CAFE

    func testEveryShapeOfPacketBothWays() throws {
        for profile in SRTPKeys.profiles {
            let keys = SRTPKeys.material(profile)
            let ours = OpenSSLSRTPSession(keys), oracle = LibSRTP(SRTPKeys.swapped(keys))
            for packet in SRTPKeys.shapes(ssrc: ssrc) {
                var protected = packet
                ours.protectRTP(&protected, from: 0)
                XCTAssertEqual(oracle.unprotectRTP(protected), packet, "\(profile)")
                var plain: [UInt8] = []
                let theirs = try XCTUnwrap(oracle.protectRTP(packet))
                try ours.unprotectRTP(theirs.span, into: &plain)
                XCTAssertEqual(plain, packet, "\(profile)")
            }
        }
    }

    func testReportsBothWays() throws {
        for profile in SRTPKeys.profiles {
            let keys = SRTPKeys.material(profile)
            let ours = OpenSSLSRTPSession(keys), oracle = LibSRTP(SRTPKeys.swapped(keys))
            for i in 0..<300 as Range<UInt32> {
                let report = SRTPKeys.report(ssrc: ssrc + i % 3)
                var protected = report
                ours.protectRTCP(&protected, from: 0)
                XCTAssertEqual(oracle.unprotectRTCP(protected), report, "\(profile) \(i)")
                let theirs = try XCTUnwrap(oracle.protectRTCP(report))
                var plain: [UInt8] = []
                try ours.unprotectRTCP(theirs.span, into: &plain)
                XCTAssertEqual(plain, report, "\(profile) \(i)")
                XCTAssertThrowsError(try ours.unprotectRTCP(theirs.span, into: &plain)) { XCTAssertEqual($0 as? SRTPError, .replayed) }
            }
        }
    }

    /// Three roll-overs, with neighbours swapped and some lost, as a network does.
    func testSequenceWrapsWithReorderingBothWays() throws {
        for profile in SRTPKeys.profiles {
            let keys = SRTPKeys.material(profile)
            let ours = OpenSSLSRTPSession(keys), oracle = LibSRTP(SRTPKeys.swapped(keys))
            var random = SeededRandom(seed: 3)
            var toOracle: [([UInt8], [UInt8])] = [], toUs: [([UInt8], [UInt8])] = []
            for i in stride(from: 65_000, to: 65_000 + 200_000, by: 37) {
                let packet = SRTPKeys.packet(UInt16(truncatingIfNeeded: i), ssrc: ssrc, payload: 20)
                var protected = packet
                ours.protectRTP(&protected, from: 0)
                toOracle.append((protected, packet))
                toUs.append((try XCTUnwrap(oracle.protectRTP(packet)), packet))
            }
            for i in stride(from: 1, to: toOracle.count, by: 2) where Bool.random(using: &random) {
                toOracle.swapAt(i - 1, i)
                toUs.swapAt(i - 1, i)
            }
            // The very first packet tells the roll-over counter's start: it must not be from after a wrap.
            for (protected, packet) in toOracle where Int.random(in: 0..<10, using: &random) > 0 {
                XCTAssertEqual(oracle.unprotectRTP(protected), packet, "\(profile)")
            }
            for (protected, packet) in toUs where Int.random(in: 0..<10, using: &random) > 0 {
                var plain: [UInt8] = []
                try ours.unprotectRTP(protected.span, into: &plain)
                XCTAssertEqual(plain, packet, "\(profile)")
                XCTAssertThrowsError(try ours.unprotectRTP(protected.span, into: &plain)) { XCTAssertEqual($0 as? SRTPError, .replayed) }
            }
        }
    }
}
