import Glibc
import Monitor
import Reactor
import TestSupport
import Usage
import Wire
import XCTest

final class ProcessTableTests: XCTestCase {
    /// A child that holds the receiving socket, and this process with the sending one.
    func testTheOwnersOfBothEndsOfALoopbackFlow() async throws {
        let loop = try Loop(), lines = Log<String>(), owners = Log<ProcessTable.Owners>()
        let table = Held<ProcessTable>(), plugin = Held<PluginProcess>()
        let program =
            "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('127.0.0.1',0))\n"
            + "print(s.getsockname()[1],flush=True)\nsys.stdin.read()"
        try await loop.run { loop in
            table.value = ProcessTable(reactor: loop.reactor, tables: try SocketTables())
            plugin.value = try PluginProcess(
                name: "holder", exec: ["python3", "-c", program], environment: ["OPERATOR_ID": "op\u{1}7", "USER": "anna"],
                reactor: loop.reactor, log: Logger("test")
            ) { line in
                if case .text(let bytes) = line { lines.add(String(decoding: bytes.array, as: UTF8.self)) }
            } onEnd: { _ in
            }
        }
        let line = try await lines.wait()[0]
        let port = try XCTUnwrap(UInt16(line))
        let (sender, senderPort) = RawSocket.bound(SOCK_DGRAM)
        XCTAssertTrue(RawSocket.connect(sender, to: port))
        let flow = FlowKey(.udp, local: SocketAddress(.loopback, port), remote: SocketAddress(.loopback, senderPort))
        await loop.run { _ in
            XCTAssertNil(table.value!.knownOwner(of: flow))
            table.value!.owner(of: flow) { owners.add($0) }
        }
        let found = try await owners.wait()[0]
        XCTAssertEqual(found.local?.operatorID, "op7")
        XCTAssertEqual(found.local?.user, "anna")
        XCTAssertEqual(found.local?.process.hasPrefix("python3"), true)
        XCTAssertEqual(found.far?.pid, getpid())
        await loop.run { _ in
            XCTAssertEqual(found.local?.pid, plugin.value!.pid)
            XCTAssertEqual(table.value!.knownOwner(of: flow), found, "known from then on")
            XCTAssertEqual(table.value!.searches, 1)
            XCTAssertEqual(table.value!.canReadOthers, getuid() == 0)
            print("owners: a search took \(table.value!.lastSearchTook.milliseconds) ms")
        }
        // A question right after a search waits for its turn; nobody is an answer, too.
        let asked = MonotonicClock.now()
        let (lonely, lonelyPort) = RawSocket.bound(SOCK_DGRAM)
        await loop.run { _ in
            table.value!.owner(
                of: FlowKey(.udp, local: SocketAddress(.loopback, lonelyPort), remote: SocketAddress(IPAddress(192, 0, 2, 1), 9))
            ) { owners.add($0) }
            table.value!.owner(of: FlowKey(.tcp, local: SocketAddress(.loopback, 1), remote: SocketAddress(.loopback, 2))) {
                owners.add($0)
            }
        }
        let all = try await owners.wait(3)
        XCTAssertEqual(all[1], ProcessTable.Owners(), "no such socket: answered at once")
        XCTAssertEqual(all[2].local?.pid, getpid())
        XCTAssertNil(all[2].far)
        XCTAssertGreaterThan(MonotonicClock.now() - asked, .milliseconds(300))
        for descriptor in [sender, lonely] { close(descriptor) }
        await loop.run { _ in (plugin.value, table.value) = (nil, nil) }
        await loop.stop()
    }

    func testListingsGetTheirOwners() async throws {
        let loop = try Loop(), table = Held<ProcessTable>(), tables = try Held(SocketTables())
        let (socket, port) = RawSocket.bound(SOCK_DGRAM)
        await loop.run { loop in table.value = ProcessTable(reactor: loop.reactor, tables: tables.value!) }
        try await eventually("an owner") {
            await loop.run { _ in
                var listings = tables.value!.datagramSockets(ports: [port...port])
                table.value!.fillOwners(in: &listings)
                return listings.count == 1 && listings[0].sample.owner?.pid == getpid()
            }
        }
        close(socket)
        await loop.run { _ in table.value = nil }
        await loop.stop()
    }

    /// On a machine with 4000 sockets and 500 processes: in slices, each about a millisecond.
    func testWhatASearchAmongManyCosts() async throws {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let loop = try Loop(), table = Held<ProcessTable>(), owners = Log<ProcessTable.Owners>()
        // Eight processes of 500 sockets each, and 490 sleeping ones, all held by one shell.
        let program = """
            import os,socket,sys,time
            kids=[]
            for i in range(498):
                pid=os.fork()
                if pid==0:
                    kept=[socket.socket() for _ in range(500)] if i<8 else []
                    time.sleep(60)
                    os._exit(0)
                kids.append(pid)
            time.sleep(0.5)
            print('ready',flush=True)
            sys.stdin.read()
            """
        let plugin = Held<PluginProcess>(), lines = Log<Int>()
        try await loop.run { loop in
            table.value = ProcessTable(reactor: loop.reactor, tables: try SocketTables())
            plugin.value = try PluginProcess(name: "crowd", exec: ["python3", "-c", program], reactor: loop.reactor, log: Logger("test")) {
                _ in
                lines.add(1)
            } onEnd: { _ in
            }
        }
        _ = try await lines.wait()
        // The youngest are looked at first: the oldest of this machine's, so that all are. A socket of process 1 would do; ours is older than
        // the crowd.
        let (socket, port) = RawSocket.bound(SOCK_DGRAM)
        await loop.run { _ in
            table.value!.owner(of: FlowKey(.udp, local: SocketAddress(.loopback, port), remote: SocketAddress(IPAddress(192, 0, 2, 1), 9)))
            {
                owners.add($0)
            }
        }
        let found = try await owners.wait()[0]
        XCTAssertEqual(found.local?.pid, getpid())
        let took = await loop.run { _ in table.value!.lastSearchTook }
        print("owners: a search among 500 processes and 4000 sockets took \(took.milliseconds) ms of the thread")
        XCTAssertLessThan(took, .milliseconds(200))
        close(socket)
        await loop.run { _ in (plugin.value, table.value) = (nil, nil) }
        await loop.stop()
    }
}
