import Glibc
import Monitor
import Reactor
import Usage
import Wire
import XCTest

final class SocketTablesTests: XCTestCase {
    private func inode(_ descriptor: Int32) -> UInt64 {
        var status = stat()
        unsafe fstat(descriptor, &status)
        return UInt64(status.st_ino)
    }

    func testAFlowOfEachKindIsFound() throws {
        let tables = try SocketTables()
        for v6 in [false, true] {
            let ip = v6 ? IPAddress.loopbackV6 : .loopback
            let (listener, port) = RawSocket.bound(SOCK_STREAM, v6: v6)
            listen(listener, 4)
            let (client, clientPort) = RawSocket.bound(SOCK_STREAM, v6: v6)
            XCTAssertTrue(RawSocket.connect(client, v6: v6, to: port))
            let server = accept(listener, nil, nil)
            let (here, there) = (SocketAddress(ip, clientPort), SocketAddress(ip, port))
            XCTAssertEqual(tables.socket(.tcp, local: here, remote: there)?.inode, inode(client))
            XCTAssertEqual(tables.socket(.tcp, local: there, remote: here)?.inode, inode(server))
            XCTAssertNil(tables.socket(.tcp, local: there, remote: SocketAddress(ip, 1)), "a listener is no flow")

            let (plain, plainPort) = RawSocket.bound(SOCK_DGRAM, v6: v6)
            let (connected, connectedPort) = RawSocket.bound(SOCK_DGRAM, v6: v6)
            XCTAssertTrue(RawSocket.connect(connected, v6: v6, to: plainPort))
            let far = SocketAddress(ip, connectedPort), near = SocketAddress(ip, plainPort)
            XCTAssertEqual(tables.socket(.udp, local: near, remote: far)?.inode, inode(plain), "not connected")
            XCTAssertEqual(tables.socket(.udp, local: far, remote: near)?.inode, inode(connected))
            for descriptor in [listener, client, server, plain, connected] { close(descriptor) }
            XCTAssertNil(tables.socket(.udp, local: near, remote: far))
        }
    }

    /// A dual-stack server with an IPv4 client: the kernel lists it as IPv6 with mapped addresses.
    func testAMappedFlowIsFound() throws {
        let tables = try SocketTables()
        for type in [SOCK_STREAM, SOCK_DGRAM] {
            let server = socket(AF_INET6, Int32(type.rawValue), 0)
            var off: Int32 = 0
            unsafe setsockopt(server, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, 4)
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            unsafe withUnsafePointer(to: &name) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = unsafe bind(server, $0, 28) }
            }
            let port = RawSocket.localPort(server)
            listen(server, 4)
            let (client, clientPort) = RawSocket.bound(type)
            XCTAssertTrue(RawSocket.connect(client, to: port))
            let accepted = type == SOCK_STREAM ? accept(server, nil, nil) : server
            let found = tables.socket(
                type == SOCK_STREAM ? .tcp : .udp, local: SocketAddress(.loopback, port), remote: SocketAddress(.loopback, clientPort))
            XCTAssertEqual(found?.inode, inode(accepted))
            if accepted != server { close(accepted) }
            for descriptor in [server, client] { close(descriptor) }
        }
    }

    func testConnectionsAreListedByPortWithWhatTheyMoved() throws {
        let tables = try SocketTables()
        let (listener, port) = RawSocket.bound(SOCK_STREAM)
        listen(listener, 4)
        let (client, clientPort) = RawSocket.bound(SOCK_STREAM)
        XCTAssertTrue(RawSocket.connect(client, to: port))
        let server = accept(listener, nil, nil)
        let (other, otherPort) = RawSocket.bound(SOCK_STREAM)
        listen(other, 4)
        let sent = [UInt8](repeating: 1, count: 5000)
        XCTAssertEqual(unsafe write(client, sent, 5000), 5000)
        var buffer = [UInt8](repeating: 0, count: 8192)
        XCTAssertEqual(unsafe recv(server, &buffer, 5000, Int32(MSG_WAITALL)), 5000)
        // Ranges before and behind: each test of the kernel's filter has its jumps.
        let ranges = [1...1, port...port, 2...3].map { UInt16($0.lowerBound)...UInt16($0.upperBound) }
        let found = tables.connections(ports: ranges)
        XCTAssertEqual(found.count, 2, "both ends, and no listener")
        let ofClient = try XCTUnwrap(found.first { $0.sample.local.port == clientPort })
        XCTAssertEqual(ofClient.inode, inode(client))
        XCTAssertEqual(ofClient.sample.remote, SocketAddress(.loopback, port))
        XCTAssertEqual(ofClient.sample.bytesSent, 5001, "acknowledged, and the SYN")
        XCTAssertNotNil(ofClient.sample.roundTrip)
        let ofServer = try XCTUnwrap(found.first { $0.sample.local.port == port })
        XCTAssertEqual(ofServer.sample.bytesReceived, 5000)
        XCTAssertGreaterThan(ofServer.sample.segmentsReceived, 1)
        XCTAssertTrue(tables.connections(ports: [1...1]).isEmpty)
        let listening = tables.listeningPorts()
        XCTAssertTrue(listening.contains(port) && listening.contains(otherPort))
        XCTAssertFalse(listening.contains(clientPort))
        for descriptor in [listener, client, server, other] { close(descriptor) }
    }

    func testDatagramSocketsAreListedByLocalPort() throws {
        let tables = try SocketTables()
        let (plain, port) = RawSocket.bound(SOCK_DGRAM)
        let (v6, portV6) = RawSocket.bound(SOCK_DGRAM, v6: true)
        let found = tables.datagramSockets(ports: [port...port, portV6...portV6])
        XCTAssertEqual(Set(found.map(\.inode)), [inode(plain), inode(v6)])
        XCTAssertTrue(found.allSatisfy { $0.sample.remote == nil && $0.sample.transport == .udp })
        for descriptor in [plain, v6] { close(descriptor) }
    }

    func testTheHostsDatagramsAreCounted() throws {
        let tables = try SocketTables()
        let (receiver, port) = RawSocket.bound(SOCK_DGRAM), sender = RawSocket.bound(SOCK_DGRAM).descriptor
        let before = try XCTUnwrap(tables.datagrams())
        var byte: UInt8 = 0
        for _ in 0..<10 {
            RawSocket.send(sender, [1], to: port)
            XCTAssertEqual(unsafe recv(receiver, &byte, 1, 0), 1)
        }
        let after = try XCTUnwrap(tables.datagrams())
        XCTAssertGreaterThanOrEqual(after.sent, before.sent + 10)
        XCTAssertGreaterThanOrEqual(after.received, before.received + 10)
        for descriptor in [receiver, sender] { close(descriptor) }
    }

    /// More than one answer holds, and then other questions: the rest of the first is not taken for theirs.
    func testManySocketsAndWhatItCosts() throws {
        let tables = try SocketTables()
        let (listener, port) = RawSocket.bound(SOCK_STREAM)
        listen(listener, 4096)
        var descriptors = [listener]
        for _ in 0..<400 {
            let client = RawSocket.bound(SOCK_STREAM).descriptor
            guard RawSocket.connect(client, to: port) else { break }
            descriptors += [client, accept(listener, nil, nil)]
        }
        let begin = MonotonicClock.now()
        let found = tables.connections(ports: [port...port])
        let took = MonotonicClock.now() - begin
        XCTAssertEqual(found.count, 800)
        print("sockets: 800 connections listed in \(took.milliseconds) ms")
        let one = MonotonicClock.now()
        for _ in 0..<100 { _ = tables.socket(.tcp, local: found[0].sample.local, remote: found[0].sample.remote!) }
        print("sockets: one flow found in \((MonotonicClock.now() - one).milliseconds * 10) µs")
        for descriptor in descriptors { close(descriptor) }
    }
}
