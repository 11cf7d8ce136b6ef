import Usage
import Wire

/// Requests of NETLINK_SOCK_DIAG (linux/sock_diag.h, linux/inet_diag.h): a netlink header, an `inet_diag_req_v2`, attributes.
/// Fields are in the host's order, ports and addresses in the network's.
enum DiagRequest {
    /// Which end of a kernel's look-up is whose.
    enum Order { case localFirst, remoteFirst }

    /// TCP_ESTABLISHED and the others of a connection: without TIME_WAIT (6), CLOSE (7), LISTEN (10) and NEW_SYN_RECV (12).
    static let connectedStates: UInt32 = 0xFFF & ~(1 << 6 | 1 << 7 | 1 << 10)
    static let listeningState: UInt32 = 1 << 10
    static let allStates: UInt32 = .max

    /// Asks for the socket of one flow. The kernel looks UDP sockets up as a datagram's receiver and takes the sender first
    /// (`udp_dump_one`: "src and dst are swapped for historical reasons").
    static func exact(
        _ transport: Transport, local: SocketAddress, remote: SocketAddress, mapped: Bool = false, order: Order, sequence: UInt32
    ) -> [UInt8] {
        let isV6 = mapped || local.ip.family == .v6 || remote.ip.family == .v6
        let (first, second) = order == .localFirst ? (local, remote) : (remote, local)
        var body = start(transport, isV6: isV6, extensions: 0, states: allStates)
        body.append(u16: first.port)
        body.append(u16: second.port)
        append(first.ip, isV6: isV6, to: &body)
        append(second.ip, isV6: isV6, to: &body)
        body.append(contentsOf: [0, 0, 0, 0])
        // INET_DIAG_NOCOOKIE
        body.append(contentsOf: repeatElement(0xFF, count: 8))
        return message(body, flags: 1, sequence: sequence)
    }

    /// Asks for all sockets of a family in these states, one of whose ports lies in a range; no ranges: all.
    static func dump(
        _ transport: Transport, isV6: Bool, states: UInt32, withInfo: Bool, ports: [ClosedRange<UInt16>], ends: Ends, sequence: UInt32
    ) -> [UInt8] {
        // INET_DIAG_INFO is attribute 2, asked for by bit 1.
        var body = start(transport, isV6: isV6, extensions: withInfo ? 2 : 0, states: states)
        body.append(contentsOf: repeatElement(0, count: 48))
        let code = byteCode(ports, ends: ends)
        if !code.isEmpty {
            // INET_DIAG_REQ_BYTECODE
            body.append(host: UInt16(4 + code.count))
            body.append(host: UInt16(1))
            body += code
        }
        // NLM_F_REQUEST | NLM_F_DUMP
        return message(body, flags: 0x301, sequence: sequence)
    }

    /// Which end's port counts.
    enum Ends { case local, either }

    /// The kernel's filter: accepted is what ends exactly behind the last instruction; a jump four bytes further refuses.
    static func byteCode(_ ports: [ClosedRange<UInt16>], ends: Ends) -> [UInt8] {
        // INET_DIAG_BC_S_GE, S_LE; D_GE, D_LE
        let codes: [(atLeast: UInt8, atMost: UInt8)] = ends == .local ? [(2, 3)] : [(2, 3), (4, 5)]
        let tests = codes.flatMap { code in ports.prefix(mostRanges).map { (code, $0) } }
        var bytes: [UInt8] = []
        // The last test has no jump over others behind it.
        let total = tests.count * testSize - 4
        for (index, test) in tests.enumerated() {
            let isLast = index == tests.count - 1
            let next = isLast ? total + 4 : (index + 1) * testSize
            append(code: test.0.atLeast, yes: 8, no: next - bytes.count, port: test.1.lowerBound, to: &bytes)
            append(code: test.0.atMost, yes: 8, no: next - bytes.count, port: test.1.upperBound, to: &bytes)
            // INET_DIAG_BC_JMP
            if !isLast { append(code: 1, yes: 4, no: total - bytes.count, to: &bytes) }
        }
        return bytes
    }

    /// Two comparisons of eight bytes and a jump of four.
    private static let testSize = 20
    /// Of the kernel's 64 KiB of jumps far less is ever wanted: ten ports and a range.
    static let mostRanges = 64

    private static func append(code: UInt8, yes: UInt8, no: Int, port: UInt16? = nil, to bytes: inout [UInt8]) {
        bytes.append(code)
        bytes.append(yes)
        bytes.append(host: UInt16(no))
        guard let port else { return }
        bytes.append(contentsOf: [0, 0])
        bytes.append(host: port)
    }

    private static func start(_ transport: Transport, isV6: Bool, extensions: UInt8, states: UInt32) -> [UInt8] {
        // AF_INET6, AF_INET
        var body: [UInt8] = [isV6 ? 10 : 2, transport.rawValue, extensions, 0]
        body.append(host: states)
        return body
    }

    private static func append(_ ip: IPAddress, isV6: Bool, to body: inout [UInt8]) {
        if isV6, ip.family == .v4 {
            body.append(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
            body += ip.bytes
        } else {
            let bytes = ip.bytes
            body += bytes
            body.append(contentsOf: repeatElement(0, count: 16 - bytes.count))
        }
    }

    private static func message(_ body: [UInt8], flags: UInt16, sequence: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 + body.count)
        bytes.append(host: UInt32(16 + body.count))
        // SOCK_DIAG_BY_FAMILY
        bytes.append(host: UInt16(20))
        bytes.append(host: flags)
        bytes.append(host: sequence)
        bytes.append(host: UInt32(0))
        return bytes + body
    }
}

extension [UInt8] {
    /// In the host's order, as netlink wants it.
    package mutating func append<Value: FixedWidthInteger>(host value: Value) {
        unsafe Swift.withUnsafeBytes(of: value) { unsafe append(contentsOf: $0) }
    }
}
