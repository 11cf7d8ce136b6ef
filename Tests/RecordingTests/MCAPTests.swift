import Recording
import Wire
import XCTest

final class MCAPTests: XCTestCase {
    /// Three topics, `count` messages, chunks of some hundred bytes.
    private func file(count: Int, chunkSize: Int = 400, finishes: Bool = true) throws -> [UInt8] {
        var writer = MCAPWriter(chunkSize: chunkSize)
        let schema = try writer.addSchema(name: "waldo.Event", encoding: "jsonschema", data: Array(#"{"type":"object"}"#.utf8))
        let channels = try ["/a", "/b", "/ü"].map { try writer.addChannel(topic: $0, schema: $0 == "/b" ? 0 : schema, encoding: "json") }
        var bytes: [UInt8] = []
        for index in 0..<count {
            let time = UInt64(1_000_000_000 + index * 10_000_000)
            try writer.write(Array("{\"n\":\(index)}".utf8), on: channels[index % 3], logTime: time, publishTime: time - 5)
            bytes += writer.take()
        }
        if finishes { writer.finish() } else { writer.endChunk() }
        return bytes + writer.take()
    }

    private func read(_ bytes: [UInt8], pieces: Int = .max) throws -> (records: [MCAPRecord], reader: MCAPReader) {
        var reader = MCAPReader()
        var records: [MCAPRecord] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, pieces == .max ? bytes.count : start + pieces)
            reader.feed(bytes.span.extracting(start..<end))
            while let record = try reader.next() { records.append(record) }
            start = end
        }
        return (records, reader)
    }

    private func messages(_ records: [MCAPRecord]) -> [MCAPMessage] {
        records.compactMap { if case .message(let message) = $0 { message } else { nil } }
    }

    private func damages(_ records: [MCAPRecord]) -> [MCAPError] {
        records.compactMap { if case .damaged(let error, _) = $0 { error } else { nil } }
    }

    func testWhatIsWrittenIsReadHoweverItIsCut() throws {
        let bytes = try file(count: 100)
        for pieces in [1, 7, 1000, Int.max] {
            let (records, reader) = try read(bytes, pieces: pieces)
            let messages = messages(records)
            XCTAssertEqual(messages.map { String(decoding: $0.data, as: UTF8.self) }, (0..<100).map { "{\"n\":\($0)}" })
            XCTAssertEqual(messages[99].sequence, 33)
            XCTAssertEqual(messages[99].publishTime, messages[99].logTime - 5)
            XCTAssertEqual(reader.channels.values.map(\.topic).sorted(), ["/a", "/b", "/ü"])
            XCTAssertEqual(reader.schemas.count, 1)
            XCTAssertEqual(damages(records), [])
            XCTAssertTrue(reader.isComplete)
            XCTAssertEqual(records.first, .header(profile: "", library: "waldo"))
            XCTAssertEqual(records.last, .footer)
        }
    }

    func testAnEmptyRecordingIsAFile() throws {
        var writer = MCAPWriter()
        writer.finish()
        let (records, reader) = try read(writer.take())
        XCTAssertTrue(reader.isComplete)
        XCTAssertEqual(messages(records).count, 0)
    }

    /// What a killed process leaves: anything from nothing to the whole.
    func testAFileCutOffAnywhereIsReadUpToItsLastWholeChunk() throws {
        let bytes = try file(count: 60, finishes: false)
        var most = 0
        for end in 0...bytes.count {
            let (records, reader) = try read(Array(bytes.prefix(end)))
            let count = messages(records).count
            XCTAssertGreaterThanOrEqual(count, most, "more bytes, more messages")
            XCTAssertEqual(damages(records), [])
            XCTAssertFalse(reader.isComplete)
            most = count
        }
        XCTAssertEqual(most, 60)
    }

    func testADamagedChunkIsToldAndTheRestIsRead() throws {
        let bytes = try file(count: 100)
        let text = Array("{\"n\":50}".utf8)
        let place = try XCTUnwrap((0..<bytes.count).first { bytes[$0...].starts(with: text) })
        var damaged = bytes
        damaged[place] ^= 1
        let (records, _) = try read(damaged)
        XCTAssertEqual(damages(records).count, 1)
        guard case .checksum = damages(records)[0] else { return XCTFail("\(damages(records))") }
        let count = messages(records).count
        XCTAssertGreaterThan(count, 80)
        XCTAssertLessThan(count, 100)
    }

    func testWhatIsNoMCAPIsRefusedAtOnce() {
        for bytes in [Array("hello world".utf8), [0x89, 0x50, 0x4E, 0x47], [0x89, 0x4D, 0x43, 0x41, 0x50, 0x31, 0x0D, 0x0A]] {
            XCTAssertThrowsError(try read(bytes)) { XCTAssertEqual($0 as? MCAPError, .notMCAP) }
        }
        XCTAssertNoThrow(try read([]))
    }

    func testALengthWithoutBoundIsPassedOverAndTakesNoMemory() throws {
        var bytes = try file(count: 3)
        let tail = bytes.suffix(from: bytes.count - 8)
        bytes = Array(bytes.dropLast(8 + 29))
        bytes += [MCAPTests.chunkOpcode] + Array(repeating: 0xFF, count: 8) + Array(repeating: 1, count: 100)
        let (records, _) = try read(bytes + tail)
        XCTAssertEqual(messages(records).count, 3)
        XCTAssertEqual(damages(records), [.tooLong(opcode: 6, length: .max, limit: 64 << 20)])
    }

    private static let chunkOpcode: UInt8 = 6

    func testCompressionIsNamedAsTheReason() throws {
        var record: [UInt8] = Array(repeating: 0, count: 28)
        record += [4, 0, 0, 0] + Array("zstd".utf8) + Array(repeating: 0, count: 8)
        var bytes: [UInt8] = [0x89, 0x4D, 0x43, 0x41, 0x50, 0x30, 0x0D, 0x0A, 6, UInt8(record.count), 0, 0, 0, 0, 0, 0, 0]
        bytes += record
        let (records, _) = try read(bytes)
        XCTAssertEqual(damages(records), [.compression("zstd")])
        XCTAssertTrue("\(damages(records)[0])".contains("zstd"))
    }

    func testRandomDamageNeverTraps() throws {
        let bytes = try file(count: 40)
        for seed in UInt64(1)...400 {
            var random = SeededRandom(seed: seed)
            var damaged = bytes
            for _ in 0..<(1 + random.next() % 6) {
                damaged[8 + Int(random.next() % UInt64(bytes.count - 8))] = UInt8(truncatingIfNeeded: random.next())
            }
            let (records, _) = try read(damaged, pieces: 1 + Int(random.next() % 500))
            XCTAssertLessThanOrEqual(messages(records).count, 40, "seed \(seed)")
        }
    }

    func testWhoWritesToWhatIsNotThereIsRefused() throws {
        var writer = MCAPWriter()
        XCTAssertThrowsError(try writer.write([], on: 1, logTime: 0, publishTime: 0)) {
            XCTAssertEqual($0 as? MCAPError, .unknown("channel", id: 1))
        }
        XCTAssertThrowsError(try writer.addChannel(topic: "/a", schema: 3, encoding: "json"))
    }

    func testCompressedVideoComesBackAndGarbageIsRefused() {
        let video = CompressedVideo(time: 1_763_632_000_123_456_789, frame: "front", data: [0, 0, 0, 1, 0x65, 1, 2], format: "h264")
        XCTAssertEqual(CompressedVideo(video.encoded.span), video)
        XCTAssertTrue(video.isKeyFrame)
        XCTAssertFalse(CompressedVideo(time: 0, frame: "", data: [0, 0, 0, 1, 0x41], format: "h264").isKeyFrame)
        XCTAssertTrue(CompressedVideo(time: 0, frame: "", data: [0x10], format: "vp8").isKeyFrame)
        for bytes in [[0xFF], [0x1A, 0x05, 1], [0x07], Array(repeating: 0xFF, count: 20), [0x0A, 0x02, 0x0A, 0x00]] as [[UInt8]] {
            XCTAssertNil(CompressedVideo(bytes.span), "\(bytes)")
        }
    }
}
