import RTC
import Wire
import XCTest

/// A keyed checksum in place of HMAC: here only the framing around it is looked at.
final class TestDigests: Digests {
    func hmacSHA1(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] { mix(key, message, 20) }
    func hmacSHA256(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] { mix(key, message, 32) }
    func md5(_ message: [UInt8]) -> [UInt8] { mix([], message.span, 16) }
    func sha256(_ message: [UInt8]) -> [UInt8] { mix([], message.span, 32) }

    private func mix(_ key: [UInt8], _ message: Span<UInt8>, _ count: Int) -> [UInt8] {
        let sum = CRC32.checksum((key + message.array).span)
        var generator = SeededRandom(seed: UInt64(sum))
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}

final class STUNMessageTests: XCTestCase {
    private let id = STUNTransactionID(high: 0xB7E7_A701, low: 0xBC34_D686_FA87_DFAE)
    private let digests = TestDigests()

    func testHeaderAndMaskedAddressesAreAsInRFC8489() throws {
        var message = STUNMessage(.success, .binding, id)
        message.add(.xorMappedAddress, address: SocketAddress(IPAddress(192, 0, 2, 1), 32853))
        let bytes = message.encoded()
        XCTAssertEqual(Hex.encode(bytes), "0101000c2112a442b7e7a701bc34d686fa87dfae" + "002000080001a147e112a643")
        XCTAssertEqual(try STUNMessage(parsing: bytes.span).mappedAddress, SocketAddress(IPAddress(192, 0, 2, 1), 32853))

        var v6 = STUNMessage(.success, .binding, id)
        let address = SocketAddress(IPAddress("2001:db8:1234:5678:11:2233:4455:6677")!, 32853)
        v6.add(.xorMappedAddress, address: address)
        XCTAssertEqual(Hex.encode(Array(v6.encoded()[20...])), "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")
        XCTAssertEqual(try STUNMessage(parsing: v6.encoded().span).mappedAddress, address)
    }

    func testEveryClassAndMethodKeepsItsType() throws {
        let types: [(STUNMessage.Class, STUNMessage.Method, UInt16)] = [
            (.request, .binding, 0x0001), (.indication, .binding, 0x0011), (.success, .binding, 0x0101), (.error, .binding, 0x0111),
            (.request, .allocate, 0x0003), (.error, .allocate, 0x0113), (.indication, .send, 0x0016), (.indication, .data, 0x0017),
            (.request, .channelBind, 0x0009), (.success, .createPermission, 0x0108),
        ]
        for (kind, method, number) in types {
            let bytes = STUNMessage(kind, method, id).encoded()
            XCTAssertEqual(bytes.span.u16(at: 0), number)
            let parsed = try STUNMessage(parsing: bytes.span)
            XCTAssertEqual(parsed.kind, kind)
            XCTAssertEqual(parsed.method, method)
            XCTAssertEqual(parsed.transactionID, id)
        }
    }

    private func full() -> STUNMessage {
        var message = STUNMessage(.request, .binding, id)
        message.add(.username, text: "remote:local")
        message.add(.priority, u32: 0x6E00_01FF)
        message.add(.iceControlling, u64: 0x932F_F9B1_5126_3B36)
        message.add(.useCandidate)
        message.add(.software, text: "seven b")
        message.addError(487, "Role Conflict")
        message.addUnknownAttributes([0x7777, 0x0001])
        message.add(.alternateServer, address: SocketAddress(IPAddress(10, 1, 2, 3), 9))
        message.add(.data, [])
        return message
    }

    func testAttributesComeBack() throws {
        let bytes = full().encoded(key: [1, 2], digests, fingerprint: true)
        let parsed = try STUNMessage(parsing: bytes.span)
        XCTAssertEqual(parsed.text(.username), "remote:local")
        XCTAssertEqual(parsed.u32(.priority), 0x6E00_01FF)
        XCTAssertEqual(parsed.u64(.iceControlling), 0x932F_F9B1_5126_3B36)
        XCTAssertTrue(parsed.has(.useCandidate))
        XCTAssertEqual(parsed.text(.software), "seven b")
        XCTAssertEqual(parsed.errorCode?.code, 487)
        XCTAssertEqual(parsed.errorCode?.reason, "Role Conflict")
        XCTAssertEqual(parsed.unknownAttributes, [0x7777, 0x0001])
        XCTAssertEqual(parsed.address(.alternateServer), SocketAddress(IPAddress(10, 1, 2, 3), 9))
        XCTAssertEqual(parsed[.data], [])
        XCTAssertNil(parsed.u32(.lifetime))
        XCTAssertNil(parsed.u32(.username))
        XCTAssertEqual(parsed.notUnderstood, [])
    }

    func testIntegrityCoversEverythingBeforeIt_RFC8489_14_5() throws {
        let bytes = full().encoded(key: [1, 2], digests, fingerprint: false)
        let parsed = try STUNMessage(parsing: bytes.span)
        XCTAssertTrue(parsed.hasIntegrity(key: [1, 2], in: bytes.span, digests))
        XCTAssertFalse(parsed.hasIntegrity(key: [1, 3], in: bytes.span, digests))
        for i in 0..<bytes.count {
            var damaged = bytes
            damaged[i] ^= 0x10
            guard let message = try? STUNMessage(parsing: damaged.span) else { continue }
            XCTAssertFalse(message.hasIntegrity(key: [1, 2], in: damaged.span, digests), "byte \(i)")
        }
    }

    func testAttributesBehindIntegrityAreNotBelieved_RFC8489_14_5() throws {
        var bytes = STUNMessage(.request, .binding, id).encoded(key: [9], digests, fingerprint: false)
        bytes += [0x00, 0x25, 0, 0]
        bytes[3] += 4
        let parsed = try STUNMessage(parsing: bytes.span)
        XCTAssertFalse(parsed.has(.useCandidate))
        XCTAssertTrue(parsed.hasIntegrity(key: [9], in: bytes.span, digests))
    }

    func testFingerprintIsChecked_RFC8489_14_7() throws {
        let bytes = full().encoded(fingerprint: true)
        XCTAssertNoThrow(try STUNMessage(parsing: bytes.span))
        for i in stride(from: 8, to: bytes.count, by: 3) {
            var damaged = bytes
            damaged[i] ^= 1
            XCTAssertThrowsError(try STUNMessage(parsing: damaged.span), "byte \(i)")
        }
    }

    func testUnknownComprehensionRequiredAttributesAreNamed_RFC8489_6_3_1() throws {
        var message = STUNMessage(.request, .binding, id)
        message.add(STUNAttributeType(rawValue: 0x7001), [1])
        message.add(STUNAttributeType(rawValue: 0xC057), [1, 2, 3, 4])
        XCTAssertEqual(try STUNMessage(parsing: message.encoded().span).notUnderstood, [0x7001])
    }

    func testMalformedMessagesAreRefused() {
        let good = full().encoded(fingerprint: true)
        let cases: [([UInt8], STUNError)] = [
            ([], .length(expected: 20, actual: 0)),
            (Array(good[..<19]), .length(expected: 20, actual: 19)),
            ([0x80] + good[1...], .notSTUN),
            (Array(good[..<4]) + [0] + good[5...], .notSTUN),
            (good + [0], .length(expected: good.count, actual: good.count + 1)),
            (Array(good.dropLast(4)), .length(expected: good.count, actual: good.count - 4)),
            (header(length: 4) + [0, 6, 0, 1], .truncatedAttribute(type: 6)),
            (header(length: 4) + [0, 6, 255, 255], .truncatedAttribute(type: 6)),
            (header(length: 200) + [UInt8](repeating: 0, count: 200), .tooManyAttributes(limit: STUNMessage.attributeLimit)),
            (header(length: 8) + [0x80, 0x28, 0, 4, 0, 0, 0, 0], .fingerprint),
        ]
        for (bytes, error) in cases {
            XCTAssertThrowsError(try STUNMessage(parsing: bytes.span)) { XCTAssertEqual($0 as? STUNError, error) }
        }
    }

    private func header(length: UInt8) -> [UInt8] { [0, 1, 0, length, 0x21, 0x12, 0xA4, 0x42] + [UInt8](repeating: 1, count: 12) }

    func testDamagedBytesNeverTrap() {
        let good = full().encoded(key: [1], digests, fingerprint: false)
        for seed in UInt64(1)...5000 {
            var random = SeededRandom(seed: seed)
            var bytes = good
            for _ in 0..<(1 + random.next() % 6) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.next() % 3 == 0 { bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count)))) }
            _ = STUNMessage.localUsernameFragment(of: bytes.span)
            guard let message = try? STUNMessage(parsing: bytes.span) else { continue }
            for type in [STUNAttributeType.xorMappedAddress, .mappedAddress, .alternateServer] { _ = message.address(type) }
            _ = (message.errorCode, message.unknownAttributes, message.u64(.iceControlling), message.text(.username), message.notUnderstood)
            _ = message.hasIntegrity(key: [1], in: bytes.span, digests)
        }
    }

    func testLocalFragmentIsReadFromBindingRequestsOnly() {
        XCTAssertEqual(STUNMessage.localUsernameFragment(of: full().encoded().span), "remote")
        var later = STUNMessage(.request, .binding, id)
        later.add(.software, text: "odd")
        later.add(.username, text: "me:you")
        XCTAssertEqual(STUNMessage.localUsernameFragment(of: later.encoded().span), "me")
        var without = STUNMessage(.request, .binding, id)
        without.add(.username, text: "nocolon")
        var other = STUNMessage(.request, .allocate, id)
        other.add(.username, text: "me:you")
        for bytes in [without.encoded(), other.encoded(), [], [UInt8](repeating: 0, count: 100)] {
            XCTAssertNil(STUNMessage.localUsernameFragment(of: bytes.span))
        }
    }
}
