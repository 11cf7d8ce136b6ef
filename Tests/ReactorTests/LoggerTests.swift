import Foundation
import Reactor
import TestSupport
import Wire
import XCTest

/// What a logger says, and that saying it never waits.
final class LoggerTests: XCTestCase {
    private final class Kept: LogSink {
        let records = Log<LogRecord>()
        func log(_ record: LogRecord) { records.add(record) }
    }

    override func tearDown() { Logger.level = .info }

    func testOnlyLinesAtTheLevelAreMade() {
        let sink = Kept()
        let logger = Logger("part", to: sink)
        var made = 0
        func text() -> String {
            made += 1
            return "text"
        }
        for (level, shown) in [(LogLevel.trace, 5), (.debug, 4), (.info, 3), (.warning, 2), (.error, 1)] {
            Logger.level = level
            let before = (sink.records.all.count, made)
            logger.trace(text(), ["a": .text(text())])
            logger.debug(text(), ["a": .text(text())])
            logger.info(text(), ["a": .text(text())])
            logger.warning(text(), ["a": .text(text())])
            logger.error(text(), ["a": .text(text())])
            XCTAssertEqual(sink.records.all.count - before.0, shown)
            XCTAssertEqual(made - before.1, 2 * shown, "neither message nor fields are made for nothing")
        }
    }

    func testContextGoesAlong() {
        let sink = Kept()
        let logger = Logger("part", to: sink).with("robot", "r2").with(connection: 17)
        logger.with(subject: "other").warning("hello", ["n": 3])
        let record = sink.records.all.last
        XCTAssertEqual(record?.subject, "other")
        XCTAssertEqual(record?.connection, 17)
        XCTAssertEqual(record?.level, .warning)
        XCTAssertEqual(record?.fields.all.map(\.name), ["robot", "n"])
        XCTAssertEqual(record?.fields.all.map(\.value), ["r2", 3])
        XCTAssertGreaterThan(record?.time ?? 0, 1_700_000_000_000_000_000)
    }

    /// A pipe of 64 KiB that nobody reads: the writer goes on, and what was lost is said once there is room.
    func testAFullPipeDropsLinesAndSaysHowMany() throws {
        for isSocket in [false, true] {
            let (reader, writer) = try ends(isSocket)
            defer {
                close(reader)
                close(writer)
            }
            let sink = StandardErrorLog(descriptor: writer)
            let logger = Logger("part", to: sink)
            let total = 4000
            for index in 0..<total {
                logger.info("line", ["index": LogValue(index), "padding": .text(String(repeating: "x", count: index % 700))])
            }
            XCTAssertGreaterThan(sink.dropped, 0)
            let dropped = sink.dropped
            var text = readAll(reader)
            logger.info("after")
            XCTAssertEqual(sink.dropped, dropped)
            text += readAll(reader)
            let lines = text.split(separator: "\n")
            XCTAssertTrue(
                lines.allSatisfy { $0.hasPrefix("20") && ($0.contains(" info part: ") || $0.contains(" warning log: ")) }, "whole lines")
            let apologies = lines.filter { $0.contains(" warning log: lines were dropped here lines=") }
            XCTAssertEqual(lines.count - apologies.count, total - dropped + 1)
            XCTAssertEqual(apologies.compactMap { $0.split(separator: "=").last.flatMap { Int($0) } }.reduce(0, +), dropped)
            XCTAssertTrue(lines[lines.count - 2].contains(" log: "), "the last of them before the first line that has room")
            XCTAssertTrue(lines.last?.hasSuffix(" info part: after") == true)
        }
    }

    func testTheDescriptorsOwnFlagsStay() throws {
        let (reader, writer) = try ends(false)
        defer { close(reader) }
        Logger("part", to: StandardErrorLog(descriptor: writer)).error("line")
        XCTAssertEqual(fcntl(writer, F_GETFL) & O_NONBLOCK, 0)
        close(writer)
        XCTAssertEqual(readAll(reader).split(separator: "\n").count, 1)
    }

    func testAPlainFileIsWrittenWhereItsOtherWritersAre() throws {
        let path = NSTemporaryDirectory() + "waldo-log-\(getpid())"
        let file = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        XCTAssertGreaterThanOrEqual(file, 0)
        defer {
            close(file)
            _ = unsafe unlink(path)
        }
        XCTAssertEqual(unsafe write(file, "before\n", 7), 7)
        Logger("part", to: StandardErrorLog(LogFormat(.json), descriptor: file)).error("line")
        XCTAssertEqual(unsafe write(file, "after\n", 6), 6)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        XCTAssertEqual(lines.first, "before")
        XCTAssertEqual(lines.last, "after")
        XCTAssertEqual(lines.count, 3)
    }

    func testAReaderThatIsGoneStopsNobody() throws {
        let (reader, writer) = try ends(true)
        close(reader)
        defer { close(writer) }
        let sink = StandardErrorLog(descriptor: writer)
        for _ in 0..<10 { Logger("part", to: sink).error("line") }
    }

    func testManyThreadsWriteWholeLines() throws {
        let (reader, writer) = try ends(false)
        defer { close(reader) }
        do {
            let sink = StandardErrorLog(descriptor: writer)
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                for index in 0..<100 { Logger("part", to: sink).info("line", ["thread": LogValue(thread), "index": LogValue(index)]) }
            }
        }
        close(writer)
        let lines = readAll(reader).split(separator: "\n")
        XCTAssertEqual(lines.count, 400)
        XCTAssertEqual(Set(lines.map { $0.split(separator: " ").suffix(2).joined(separator: " ") }).count, 400)
    }

    // MARK: helpers

    private func ends(_ isSocket: Bool) throws -> (reader: Int32, writer: Int32) {
        var pair: [Int32] = [0, 0]
        if isSocket {
            XCTAssertEqual(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair), 0)
        } else {
            XCTAssertEqual(unsafe pipe(&pair), 0)
        }
        XCTAssertEqual(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0)
        return (pair[0], pair[1])
    }

    private func readAll(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = unsafe read(descriptor, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
