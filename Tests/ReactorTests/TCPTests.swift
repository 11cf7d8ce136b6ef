import Glibc
import Reactor
import Synchronization
import TestSupport
import Wire
import XCTest

final class TCPTests: XCTestCase {
    private static let loopback = SocketAddress(IPAddress(127, 0, 0, 1), 0)

    /// An echo server on `loop`; answers its address.
    private func makeEcho(_ loop: Loop, closed: Log<String>) async throws -> SocketAddress {
        try await loop.run { loop in
            final class Connections { var all: [ObjectIdentifier: TCPConnection] = [:] }
            let connections = loop.keep(Connections())
            let listener = try TCPListener(Self.loopback, reactor: loop.reactor) { connection in
                let id = ObjectIdentifier(connection)
                connections.all[id] = connection
                connection.onBytes = { [unowned connection] bytes in
                    connection.send(bytes.span)
                }
                connection.onClose = {
                    connections.all[id] = nil
                    closed.add("closed")
                }
            }
            return loop.keep(listener).address
        }
    }

    /// The other end as a blocking socket, so that the reactor is tested against the kernel alone.
    private func connected(to address: SocketAddress, afterMaking: () -> Void = {}) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        afterMaking()
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = address.port.bigEndian
        name.sin_addr.s_addr = UInt32(truncatingIfNeeded: address.ip.low).bigEndian
        let code = unsafe withUnsafePointer(to: &name) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        XCTAssertEqual(code, 0)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    private func readToEnd(_ descriptor: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            if count <= 0 { return all }
            all += buffer.prefix(count)
        }
    }

    func testATurnThatIsAskedForComesInALaterRound() async throws {
        let loop = try Loop(), log = Log<String>()
        let address = try await loop.run { loop in
            final class Held { var connection: TCPConnection? }
            let held = loop.keep(Held())
            let listener = try TCPListener(Self.loopback, reactor: loop.reactor) { connection in
                held.connection = connection
                var left = 3
                connection.onDrained = { [unowned connection] in
                    log.add("turn \(left)")
                    left -= 1
                    guard left > 0 else { return connection.closeAfterSending() }
                    connection.askForTurn()
                    log.add("asked")
                }
                connection.askForTurn()
                log.add("first")
            }
            return loop.keep(listener).address
        }
        let client = try connected(to: address)
        XCTAssertEqual(readToEnd(client), [])
        close(client)
        XCTAssertEqual(log.all, ["first", "turn 3", "asked", "turn 2", "asked", "turn 1"])
        await loop.stop()
    }

    func testWhatCameBeforeAResetIsToldAlthoughWritingFailed() async throws {
        let loop = try Loop()
        let told = Log<String>()
        let address = try await loop.run { loop in
            final class Holder { var connection: TCPConnection? }
            let holder = loop.keep(Holder())
            let listener = try TCPListener(Self.loopback, reactor: loop.reactor) { connection in
                holder.connection = connection
                connection.limit = 64 << 20
                connection.onBytes = { told.add(String(decoding: [UInt8](copying: $0.span), as: UTF8.self)) }
                connection.onClose = { told.add("closed") }
                connection.send([UInt8](repeating: 1, count: 32 << 20))
            }
            return loop.keep(listener).address
        }
        let client = try connected(to: address)
        var byte: UInt8 = 0
        XCTAssertEqual(unsafe read(client, &byte, 1), 1)
        // While the reactor is held up: its word, and then a reset, as not all was read.
        await loop.run { _ in
            _ = unsafe write(client, "bye", 3)
            close(client)
        }
        let all = try await told.wait(2)
        XCTAssertEqual(all, ["bye", "closed"])
        await loop.stop()
    }

    func testWithoutDescriptorsAConnectionWaitsAndIsTakenLater() async throws {
        let loop = try Loop()
        let closed = Log<String>()
        let address = try await makeEcho(loop, closed: closed)
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let client = try connected(
            to: address,
            afterMaking: {
                // Every descriptor up to the limit is in use: the client's own was the last.
                var none = rlimit(rlim_cur: 3, rlim_max: limit.rlim_max)
                unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
            })
        for _ in 0..<10 { await loop.run { _ in } }
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        _ = unsafe write(client, "x", 1)
        shutdown(client, Int32(SHUT_WR))
        XCTAssertEqual(readToEnd(client), [UInt8(ascii: "x")])
        close(client)
        _ = try await closed.wait()
        await loop.stop()
    }

    func testAHalfClosedConnectionGetsAllOfItsAnswer() async throws {
        let loop = try Loop()
        let closed = Log<String>()
        let address = try await makeEcho(loop, closed: closed)
        for count in [1, 1000, 3_000_000] {
            let descriptor = try connected(to: address)
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
            let writer = Thread {
                _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
                shutdown(descriptor, Int32(SHUT_WR))
            }
            writer.start()
            // The answer waits in the server until it is read here: longer than the kernel's buffers hold.
            usleep(100_000)
            XCTAssertEqual(readToEnd(descriptor), bytes, "\(count) bytes")
            close(descriptor)
        }
        _ = try await closed.wait(3)
        await loop.stop()
    }

    func testAResetEndsTheConnectionOnce() async throws {
        let loop = try Loop()
        let closed = Log<String>()
        let address = try await makeEcho(loop, closed: closed)
        let descriptor = try connected(to: address)
        var byte: UInt8 = 1
        _ = unsafe write(descriptor, &byte, 1)
        _ = unsafe read(descriptor, &byte, 1)
        var abortive = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abortive, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
        _ = try await closed.wait()
        // The loop goes on, and nothing more comes of it.
        await loop.run { _ in }
        XCTAssertEqual(closed.all.count, 1)
        await loop.stop()
    }

    /// The kernel tells of a reset for as long as the descriptor is open: one that is not read meanwhile must not keep the loop busy.
    func testAResetEndsAPausedConnection() async throws {
        let loop = try Loop()
        let paused = Log<Int>(), closed = Log<Int>()
        let address = try await loop.run { loop in
            final class Connections { var all: [TCPConnection] = [] }
            let connections = loop.keep(Connections())
            let listener = try TCPListener(Self.loopback, reactor: loop.reactor) { connection in
                connections.all.append(connection)
                connection.onClose = { closed.add(1) }
                connection.onBytes = { [unowned connection] bytes in
                    connection.isPaused = true
                    paused.add(bytes.count)
                }
            }
            return loop.keep(listener).address
        }
        let client = try connected(to: address)
        _ = unsafe write(client, "xyz", 3)
        _ = try await paused.wait()
        var abort = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(client, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
        close(client)
        _ = try await closed.wait()
        await loop.stop()
    }

    func testAReaderThatFallsTooFarBehindIsCutOff() async throws {
        let loop = try Loop()
        let closed = Log<String>()
        let address = try await makeEcho(loop, closed: closed)
        let descriptor = try connected(to: address)
        let isDone = Atomic<Bool>(false)
        let writer = Thread {
            let block = [UInt8](repeating: 1, count: 65_536)
            for _ in 0..<1000 {
                let count = unsafe block.withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if count < 0 { break }
            }
            isDone.store(true, ordering: .relaxed)
        }
        writer.start()
        _ = try await closed.wait()
        for _ in 0..<1000 where !isDone.load(ordering: .relaxed) { usleep(5000) }
        XCTAssertTrue(isDone.load(ordering: .relaxed))
        close(descriptor)
        await loop.stop()
    }

    func testAConnectionOutCarriesBytesBothWaysAndKnowsItsAddresses() async throws {
        let loop = try Loop()
        let closed = Log<String>()
        let log = Log<[UInt8]>()
        let address = try await makeEcho(loop, closed: closed)
        await loop.run { loop in
            final class Holder { var connection: TCPConnection? }
            let holder = loop.keep(Holder())
            let connector = TCPConnector(to: address, reactor: loop.reactor, timeout: .seconds(5)) { outcome in
                guard case .success(let connection) = outcome else { return XCTFail("\(outcome)") }
                holder.connection = connection
                XCTAssertEqual(connection.remote, address)
                XCTAssertEqual(connection.local?.ip, address.ip)
                connection.onBytes = { [unowned connection] bytes in
                    log.add(unsafe bytes.span.withUnsafeBufferPointer { unsafe Array($0) })
                    connection.close()
                }
                connection.send([9, 8, 7])
            }
            _ = loop.keep(connector)
        }
        let answers = try await log.wait()
        XCTAssertEqual(answers, [[9, 8, 7]])
        _ = try await closed.wait()
        await loop.stop()
    }

    func testAConnectionThatCannotBeMadeSaysWhy() async throws {
        let loop = try Loop()
        let log = Log<Int32>()
        let free = try await loop.run { loop in try TCPListener(Self.loopback, reactor: loop.reactor) { _ in }.address }
        await loop.run { loop in
            let connector = TCPConnector(to: free, reactor: loop.reactor, timeout: .seconds(5)) { outcome in
                if case .failure(let error) = outcome { log.add(error.code) } else { XCTFail("\(outcome)") }
            }
            _ = loop.keep(connector)
        }
        let codes = try await log.wait()
        XCTAssertEqual(codes, [ECONNREFUSED])
        await loop.stop()
    }

    func testAConnectionThatIsNotAnsweredTimesOut() async throws {
        let loop = try Loop()
        let log = Log<Int32>()
        // A listener whose queue is full answers nobody.
        let silent = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &name) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                XCTAssertEqual(unsafe bind(silent, $0, length), 0)
                XCTAssertEqual(listen(silent, 0), 0)
                XCTAssertEqual(unsafe getsockname(silent, $0, &length), 0)
            }
        }
        let address = SocketAddress(IPAddress(127, 0, 0, 1), UInt16(bigEndian: name.sin_port))
        await loop.run { loop in
            for _ in 0..<6 {
                let connector = TCPConnector(to: address, reactor: loop.reactor, timeout: .milliseconds(300)) { outcome in
                    if case .failure(let error) = outcome { log.add(error.code) }
                }
                _ = loop.keep(connector)
            }
        }
        let codes = try await log.wait()
        XCTAssertEqual(codes.first, ETIMEDOUT)
        await loop.stop()
        close(silent)
    }

    /// What the kernel said of a descriptor is not told to another of the same number that took its place in the same round.
    func testEventsOfAClosedDescriptorAreNotItsSuccessors() async throws {
        let loop = try Loop()
        let log = Log<String>()
        try await loop.run { loop in
            let pipes = try (0..<2).map { _ in try Self.filledPipe() }
            for (mine, other) in [(pipes[0], pipes[1]), (pipes[1], pipes[0])] {
                try loop.reactor.watch(mine.read) { [unowned reactor = loop.reactor] _, _ in
                    log.add("first")
                    for pipe in [mine, other] { reactor.unwatch(pipe.read) }
                    var fresh: [Int32] = [0, 0]
                    guard unsafe Glibc.pipe(&fresh) == 0, dup2(fresh[0], other.read) == other.read else { return log.add("no pipe") }
                    do { try reactor.watch(other.read) { _, _ in log.add("successor") } } catch { log.add("\(error)") }
                }
            }
            let timer = loop.keep(loop.reactor.makeTimer { _ in log.add("end") })
            timer.deadline = MonotonicClock.now() + .milliseconds(50)
        }
        let told = try await log.wait(2)
        XCTAssertEqual(told, ["first", "end"])
        await loop.stop()
    }

    private static func filledPipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe Glibc.pipe(&ends) == 0, unsafe write(ends[1], "x", 1) == 1 else { throw SystemError("pipe") }
        return (ends[0], ends[1])
    }
}

extension [UInt8] {
    fileprivate init(copying span: Span<UInt8>) {
        self = []
        append(span: span)
    }
}
