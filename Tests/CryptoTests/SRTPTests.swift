import Crypto
import RTC
import Wire
import XCTest

final class SRTPTests: XCTestCase {
    private let ssrc: UInt32 = 0xCAFE_BABE

    func testKeyDerivationOfRFC3711AppendixB3() throws {
        let derivation = SRTPKeyDerivation(
            key: try XCTUnwrap(Hex.decode("E1F97A0D3E018BE0D64FA32C06DE4139")),
            salt: try XCTUnwrap(Hex.decode("0EC675AD498AFEEBB6960B3AABE6")))
        XCTAssertEqual(Hex.encode(derivation.derive(.rtpEncryption, count: 16)), "c61e7a93744f39ee10734afe3ff7a087")
        XCTAssertEqual(Hex.encode(derivation.derive(.rtpSalt, count: 14)), "30cbbc08863d8c85d49db34a9ae1")
        XCTAssertEqual(
            Hex.encode(derivation.derive(.rtpAuthentication, count: 94)),
            "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdd"
                + "dc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2")
    }

    func testKeyStreamOfRFC3711AppendixB2() throws {
        let transform = SRTPTransform(
            .send, .aes128CMHMACSHA1_80, key: try XCTUnwrap(Hex.decode("2B7E151628AED2A6ABF7158809CF4F3C")),
            salt: try XCTUnwrap(Hex.decode("F0F1F2F3F4F5F6F7F8F9FAFBFCFD")), authenticationKey: [UInt8](repeating: 0, count: 20))
        var stream = [UInt8](repeating: 0, count: 48)
        unsafe stream.withUnsafeMutableBytes { unsafe transform.applyKeyStream($0, ssrc: 0, index: 0) }
        XCTAssertEqual(
            Hex.encode(stream), "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0")
    }

    func testSealedPacketOfRFC7714Clause16_1_1() throws {
        let transform = SRTPTransform(
            .send, .aeadAES128GCM, key: Array(0...15), salt: try XCTUnwrap(Hex.decode("517569642070726f2071756f")), authenticationKey: [])
        var packet = try XCTUnwrap(Hex.decode("8040f17b8041f8d35501a0b2")) + Array("Gallia est omnis divisa in partes tres".utf8)
        let length = packet.count
        packet += [UInt8](repeating: 0, count: 16)
        unsafe packet.withUnsafeMutableBytes { bytes in
            unsafe transform.seal(
                header: UnsafeMutableRawBufferPointer(rebasing: bytes[..<12]), trailer: nil,
                body: UnsafeMutableRawBufferPointer(rebasing: bytes[12..<length]), tag: bytes.baseAddress! + length, ssrc: 0x5501_A0B2,
                index: 0xF17B)
        }
        XCTAssertEqual(
            Hex.encode(packet),
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf"
                + "765ee4390cce")
    }

    func testRoundTripOfEveryShapeOfHeader() throws {
        for profile in SRTPKeys.profiles {
            let (a, b) = SRTPKeys.pair(profile)
            for (sequence, packet) in SRTPKeys.shapes(ssrc: ssrc).enumerated() {
                var buffer: [UInt8] = [1, 2, 3] + packet
                a.protectRTP(&buffer, from: 3)
                XCTAssertEqual(buffer.count, 3 + packet.count + a.rtpOverhead, "\(profile) \(sequence)")
                var plain: [UInt8] = [9]
                try b.unprotectRTP(buffer.span.extracting(3...), into: &plain)
                XCTAssertEqual(plain, [9] + packet)
            }
        }
    }

    func testRetransmissionGivesTheSameBytesAlsoAcrossTheWrap() {
        for profile in SRTPKeys.profiles {
            let (a, _) = SRTPKeys.pair(profile)
            var first: [UInt16: [UInt8]] = [:]
            for i in 65_500..<65_600 {
                var packet = SRTPKeys.packet(UInt16(truncatingIfNeeded: i), ssrc: ssrc)
                a.protectRTP(&packet, from: 0)
                first[UInt16(truncatingIfNeeded: i)] = packet
            }
            for (sequence, packet) in first {
                var again = SRTPKeys.packet(sequence, ssrc: ssrc)
                a.protectRTP(&again, from: 0)
                XCTAssertEqual(again, packet, "\(profile) \(sequence)")
            }
        }
    }

    func testReplayAndPacketsOlderThanTheWindowAreRefusedRFC3711Clause3_3_2() throws {
        for profile in SRTPKeys.profiles {
            let (a, b) = SRTPKeys.pair(profile)
            let packets = (0..<400 as Range<UInt16>).map { sequence in
                var packet = SRTPKeys.packet(sequence &+ 65_400, ssrc: ssrc)
                a.protectRTP(&packet, from: 0)
                return packet
            }
            var plain: [UInt8] = []
            for i in [0, 300, 200, 173] { try b.unprotect(packets[i], into: &plain) }
            let before = plain
            for i in [0, 300, 200, 173, 172, 100] {
                XCTAssertThrowsError(try b.unprotect(packets[i], into: &plain)) { XCTAssertEqual($0 as? SRTPError, .replayed) }
            }
            XCTAssertEqual(plain, before)
            try b.unprotect(packets[174], into: &plain)
        }
    }

    func testEveryByteIsProtected() throws {
        for profile in SRTPKeys.profiles {
            let (a, b) = SRTPKeys.pair(profile)
            var packet = SRTPKeys.shapes(ssrc: ssrc)[3]
            a.protectRTP(&packet, from: 0)
            var report = SRTPKeys.report(ssrc: ssrc)
            a.protectRTCP(&report, from: 0)
            var plain: [UInt8] = []
            for i in packet.indices {
                var bad = packet
                bad[i] ^= 0x10
                XCTAssertThrowsError(try b.unprotectRTP(bad.span, into: &plain), "\(profile) RTP byte \(i)")
            }
            for i in report.indices {
                var bad = report
                bad[i] ^= 0x80
                XCTAssertThrowsError(try b.unprotectRTCP(bad.span, into: &plain), "\(profile) RTCP byte \(i)")
            }
            for count in 0..<packet.count {
                XCTAssertThrowsError(try b.unprotect(Array(packet[..<count]), into: &plain), "\(profile) RTP cut to \(count)")
            }
            for count in 0..<report.count {
                XCTAssertThrowsError(try b.unprotectReport(Array(report[..<count]), into: &plain), "\(profile) RTCP cut to \(count)")
            }
            XCTAssertEqual(plain, [])
            try b.unprotectRTP(packet.span, into: &plain)
            try b.unprotectRTCP(report.span, into: &plain)
        }
    }

    func testForgedStreamsDoNotFillTheTableAndAuthenticOnesAreLimited() throws {
        for profile in SRTPKeys.profiles {
            let (a, b) = SRTPKeys.pair(profile)
            var plain: [UInt8] = []
            for i in 0..<500 as Range<UInt32> {
                let forged = SRTPKeys.packet(1, ssrc: i) + [UInt8](repeating: 0, count: 16)
                XCTAssertThrowsError(try b.unprotectRTP(forged.span, into: &plain)) { XCTAssertEqual($0 as? SRTPError, .authentication) }
            }
            for i in 0..<64 as Range<UInt32> {
                var packet = SRTPKeys.packet(1, ssrc: 1000 + i)
                a.protectRTP(&packet, from: 0)
                try b.unprotectRTP(packet.span, into: &plain)
            }
            var packet = SRTPKeys.packet(1, ssrc: 2000)
            a.protectRTP(&packet, from: 0)
            let before = plain
            XCTAssertThrowsError(try b.unprotectRTP(packet.span, into: &plain)) { XCTAssertEqual($0 as? SRTPError, .tooManyStreams) }
            XCTAssertEqual(plain, before)
        }
    }

    func testNoiseNeverTraps() {
        var random = SeededRandom(seed: 7)
        for profile in SRTPKeys.profiles {
            let (_, b) = SRTPKeys.pair(profile)
            var plain: [UInt8] = []
            for _ in 0..<5000 {
                var noise = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                if !noise.isEmpty { noise[0] = 0x80 | noise[0] & 0x3F }
                XCTAssertThrowsError(try b.unprotectRTP(noise.span, into: &plain))
                XCTAssertThrowsError(try b.unprotectRTCP(noise.span, into: &plain))
            }
            XCTAssertEqual(plain, [])
        }
    }
}

extension OpenSSLSRTPSession {
    func unprotect(_ packet: [UInt8], into plain: inout [UInt8]) throws { try unprotectRTP(packet.span, into: &plain) }
    func unprotectReport(_ packet: [UInt8], into plain: inout [UInt8]) throws { try unprotectRTCP(packet.span, into: &plain) }
}

enum SRTPKeys {
    static let profiles: [SRTPProfile] = [.aeadAES128GCM, .aes128CMHMACSHA1_80]

    static func material(_ profile: SRTPProfile) -> SRTPKeyingMaterial {
        let salt = profile == .aeadAES128GCM ? 12 : 14
        return SRTPKeyingMaterial(
            profile: profile, sendKey: Array(1...16), sendSalt: Array((101...120).prefix(salt)), receiveKey: Array(51...66),
            receiveSalt: Array((201...220).prefix(salt)))
    }

    static func swapped(_ keys: SRTPKeyingMaterial) -> SRTPKeyingMaterial {
        SRTPKeyingMaterial(
            profile: keys.profile, sendKey: keys.receiveKey, sendSalt: keys.receiveSalt, receiveKey: keys.sendKey,
            receiveSalt: keys.sendSalt)
    }

    static func pair(_ profile: SRTPProfile) -> (OpenSSLSRTPSession, OpenSSLSRTPSession) {
        (OpenSSLSRTPSession(material(profile)), OpenSSLSRTPSession(swapped(material(profile))))
    }

    /// `words`: payload bytes, derived from the sequence number.
    static func packet(_ sequence: UInt16, ssrc: UInt32, payload: Int = 50, first: UInt8 = 0x80, more: [UInt8] = []) -> [UInt8] {
        var writer = ByteWriter()
        writer.u8(first)
        writer.u8(96)
        writer.u16(sequence)
        writer.u32(0x1122_3344)
        writer.u32(ssrc)
        writer.append(more)
        for i in 0..<payload { writer.u8(UInt8(truncatingIfNeeded: i &* 7 &+ Int(sequence))) }
        return writer.bytes
    }

    /// Plain, empty, with CSRCs, with an extension, with both.
    static func shapes(ssrc: UInt32) -> [[UInt8]] {
        let sources: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 2]
        let words: [UInt8] = [0xBE, 0xDE, 0, 2, 0x10, 1, 0x21, 2, 3, 0, 0, 0]
        return [
            packet(1, ssrc: ssrc), packet(2, ssrc: ssrc, payload: 0), packet(3, ssrc: ssrc, first: 0x82, more: sources),
            packet(4, ssrc: ssrc, first: 0x90, more: words), packet(5, ssrc: ssrc, payload: 1173, first: 0x92, more: sources + words),
        ]
    }

    static func report(ssrc: UInt32) -> [UInt8] {
        var writer = ByteWriter()
        writer.u8(0x80)
        writer.u8(200)
        writer.u16(6)
        writer.u32(ssrc)
        for i in 0..<20 as Range<UInt8> { writer.u8(i) }
        return writer.bytes
    }
}
