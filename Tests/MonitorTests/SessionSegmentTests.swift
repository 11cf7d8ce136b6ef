import Glibc
import Monitor
import Reactor
import TestSupport
import Usage
import Wire
import XCTest

final class SessionSegmentTests: XCTestCase {
    private let namespace = "hc-sessions-\(getpid())"
    private let anna = SessionList.Session(operatorName: "anna", role: .driver, since: 1_790_000_000, remote: "192.0.2.7:51234")

    override func tearDown() {
        for pid in [1, getpid(), 4_194_303] { unsafe unlink("/dev/shm/\(namespace)_sessions_\(pid)") }
    }

    private func reader() -> SessionReader { SessionReader(namespace: namespace, log: Logger("test")) }

    func testOnlyWhatIsNewIsTold() throws {
        let reader = reader()
        XCTAssertNil(reader.poll())
        var segment: SessionSegment? = try SessionSegment(namespace: namespace, source: "waldo")
        XCTAssertEqual(reader.poll(), [.init(pid: getpid(), list: SessionList(source: "waldo", sessions: []))])
        XCTAssertNil(reader.poll())
        segment?.update([anna])
        XCTAssertEqual(reader.poll(), [.init(pid: getpid(), list: SessionList(source: "waldo", sessions: [anna]))])
        segment?.update([anna])
        XCTAssertNil(reader.poll())
        segment = nil
        XCTAssertEqual(reader.poll(), [])
        XCTAssertNil(reader.poll())
    }

    /// A program that ends and begins within a second, with the same pid: what the first one told is over.
    func testWhoBeginsAnewIsHeardAnew() throws {
        let reader = reader()
        var segment: SessionSegment? = try SessionSegment(namespace: namespace, source: "waldo")
        segment?.update([anna])
        XCTAssertEqual(reader.poll()?.first?.list.sessions, [anna])
        segment = nil
        segment = try SessionSegment(namespace: namespace, source: "waldo")
        XCTAssertEqual(reader.poll(), [.init(pid: getpid(), list: SessionList(source: "waldo", sessions: []))])
        segment = nil
    }

    /// Of 64 characters that are built of many scalars each: more than 256 bytes.
    func testALongNameHidesNobody() throws {
        let name = try XCTUnwrap(OperatorName.cleaned(String(repeating: "👩‍👩‍👧‍👦", count: 64)))
        XCTAssertGreaterThan(name.utf8.count, 256)
        XCTAssertLessThanOrEqual(name.utf8.count, OperatorName.mostBytes)
        let segment = try SessionSegment(namespace: namespace, source: "waldo")
        let sessions = [anna, SessionList.Session(operatorName: name, role: .viewer, since: 1)]
        segment.update(sessions)
        XCTAssertEqual(reader().poll()?.first?.list.sessions, sessions)
    }

    func testItsBytesAreThoseOfTheTable() throws {
        let segment = try SessionSegment(namespace: namespace, source: "waldo")
        segment.update([anna])
        let bytes = Files.bytes("/dev/shm/\(namespace)_sessions_\(getpid())")
        XCTAssertEqual(bytes.count, 16_420)
        XCTAssertEqual(Array(bytes[0..<8]), [0x57, 0x44, 0x53, 0x45, 0, 0, 0, 1])
        XCTAssertEqual(bytes.span.u32(at: 20), UInt32(getpid()))
        XCTAssertEqual(bytes.span.u32(at: 28), 4, "written twice")
        let length = Int(bytes.span.u32(at: 32))
        XCTAssertEqual(
            String(decoding: bytes[36..<(36 + length)], as: UTF8.self),
            #"{"source":"waldo","sessions":[{"operator":"anna","role":"driver","since":1790000000,"remote":"192.0.2.7:51234"}]}"#)
    }

    /// Left by dead processes, forged, cut short or no JSON: none is told, and none ends the monitor.
    func testWhatIsNoSessionsObjectIsLeftAside() throws {
        let now = UInt64(MonotonicClock.unixSeconds())
        let body = SessionsLayout.body(SessionList(source: "x", sessions: [anna]))
        func object(_ pid: Int, header: [UInt8]? = nil, body: [UInt8], size: Int = SessionsLayout.size) {
            let head = header ?? SessionsLayout.header(creation: now, pid: UInt64(pid))
            let bytes = head + body + [UInt8](repeating: 0, count: max(0, size - head.count - body.count))
            Files.write("/dev/shm/\(namespace)_sessions_\(pid)", Array(bytes.prefix(size)))
        }
        object(4_194_303, body: body)
        XCTAssertNil(reader().poll(), "nobody has that pid")
        object(1, header: SessionsLayout.header(creation: now, pid: 2), body: body)
        XCTAssertNil(reader().poll(), "another pid inside")
        object(1, body: body, size: 100)
        XCTAssertNil(reader().poll(), "cut short")
        object(1, header: [UInt8](repeating: 1, count: 32), body: body)
        XCTAssertNil(reader().poll(), "wrong magic")
        for text in ["", "{", "[]", #"{"source":"x"}"#, #"{"source":"x","sessions":[{"operator":"a","role":"king","since":1}]}"#] {
            var writer = ByteWriter()
            writer.u32(UInt32(text.utf8.count))
            writer.append(text)
            object(1, body: writer.bytes)
            XCTAssertNil(reader().poll(), text)
        }
        var tooLong = ByteWriter()
        tooLong.u32(.max)
        object(1, body: tooLong.bytes)
        XCTAssertNil(reader().poll(), "length")
        object(1, body: body)
        XCTAssertEqual(reader().poll()?.map(\.pid), [1], "as the super-user may")
        // Made shorter under the reader's hands.
        let kept = reader()
        XCTAssertNotNil(kept.poll())
        unsafe truncate("/dev/shm/\(namespace)_sessions_1", 10)
        XCTAssertNil(kept.poll())
    }

    func testWhatEndedProgramsLeftIsRemoved() throws {
        let path = "/dev/shm/\(namespace)_sessions_4194303"
        Files.write(path, SessionsLayout.header(creation: 1, pid: 4_194_303) + [UInt8](repeating: 0, count: SessionsLayout.size - 32))
        let segment = try SessionSegment(namespace: namespace, source: "waldo")
        XCTAssertEqual(unsafe access(path, F_OK), -1)
        segment.update([])
    }

    func testMoreThanThereIsRoomForIsLeftOut() throws {
        let segment = try SessionSegment(namespace: namespace, source: "waldo")
        let many = (0..<500).map { SessionList.Session(operatorName: String(repeating: "n", count: 60) + "\($0)", role: .viewer, since: 1) }
        segment.update(many)
        XCTAssertEqual(reader().poll()?.first?.list.sessions, Array(many.prefix(SessionsLayout.mostSessions)))
    }
}
