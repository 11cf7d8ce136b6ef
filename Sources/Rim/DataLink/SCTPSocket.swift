internal import CUsrsctp
import Glibc
import RTC
import Wire

struct SocketFailure: Error {
    let attempt: String
    let code: Int32
}

/// The calls to usrsctp that concern one socket.
enum SCTPSocket {
    /// Makes the socket and sends INIT. Both ends do: RFC 9260 clause 5.2.1 makes one association of two.
    static func open(id: UInt, _ parameters: SCTPParameters) throws(SocketFailure) -> OpaquePointer {
        guard
            let socket = unsafe usrsctp_socket(
                AF_CONN, Int32(SOCK_STREAM.rawValue), Int32(IPPROTO_SCTP),
                { _, _, data, length, info, flags, context in
                    unsafe SCTPSocket.received(UInt(bitPattern: context), data, length, info, flags)
                    return 1
                },
                { _, free, context in
                    SCTPStack.mailbox(UInt(bitPattern: context))?.bufferedBytes = max(0, UsrsctpAssociation.bufferSize - Int(free))
                    return 1
                }, 0, UnsafeMutableRawPointer(bitPattern: id))
        else { throw SocketFailure(attempt: "a socket", code: errno) }
        do throws(SocketFailure) {
            try unsafe configure(socket)
            try unsafe connect(socket, id, parameters)
        } catch {
            unsafe usrsctp_close(socket)
            throw error
        }
        return unsafe socket
    }

    private static func configure(_ socket: OpaquePointer) throws(SocketFailure) {
        guard unsafe usrsctp_set_non_blocking(socket, 1) == 0 else { throw SocketFailure(attempt: "non-blocking calls", code: errno) }
        // Close aborts at once instead of waiting for a peer that is gone.
        try unsafe set(socket, SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0), "abort on close")
        try unsafe set(socket, SOL_SOCKET, SO_SNDBUF, Int32(UsrsctpAssociation.bufferSize), "the send buffer")
        try unsafe set(socket, SOL_SOCKET, SO_RCVBUF, Int32(UsrsctpAssociation.bufferSize), "the receive buffer")
        try unsafe set(socket, Int32(IPPROTO_SCTP), SCTP_NODELAY, Int32(1), "NODELAY")
        try unsafe set(
            socket, Int32(IPPROTO_SCTP), SCTP_INITMSG,
            sctp_initmsg(
                sinit_num_ostreams: SCTPStack.streams, sinit_max_instreams: SCTPStack.streams, sinit_max_attempts: 0,
                sinit_max_init_timeo: 0),
            "the number of streams")
        try unsafe set(
            socket, Int32(IPPROTO_SCTP), SCTP_ENABLE_STREAM_RESET,
            sctp_assoc_value(assoc_id: sctp_assoc_t(SCTP_ALL_ASSOC), assoc_value: UInt32(SCTP_ENABLE_RESET_STREAM_REQ)), "stream resets")
        // Half the receive buffer: every message that we offer to take comes whole.
        try unsafe set(
            socket, Int32(IPPROTO_SCTP), SCTP_PARTIAL_DELIVERY_POINT, UInt32(UsrsctpAssociation.bufferSize / 2),
            "the partial delivery point")
        for type in [SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT, SCTP_PARTIAL_DELIVERY_EVENT] {
            try unsafe set(
                socket, Int32(IPPROTO_SCTP), SCTP_EVENT,
                sctp_event(se_assoc_id: sctp_assoc_t(SCTP_ALL_ASSOC), se_type: UInt16(type), se_on: 1), "events")
        }
    }

    private static func connect(_ socket: OpaquePointer, _ id: UInt, _ parameters: SCTPParameters) throws(SocketFailure) {
        var address = unsafe sockaddr_conn()
        unsafe address.sconn_family = UInt16(AF_CONN)
        unsafe address.sconn_addr = UnsafeMutableRawPointer(bitPattern: id)
        unsafe address.sconn_port = parameters.localPort.bigEndian
        let length = socklen_t(unsafe MemoryLayout<sockaddr_conn>.size)
        let bound = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe usrsctp_bind(socket, $0, length) }
        }
        guard bound == 0 else { throw SocketFailure(attempt: "port \(parameters.localPort)", code: errno) }

        // RFC 8831 clause 5: no path MTU discovery; the packet with DTLS's overhead fits the path.
        var path = sctp_paddrparams()
        path.spp_flags = UInt32(SPP_PMTUD_DISABLE | SPP_HB_ENABLE)
        // usrsctp counts its chunks only, not the common header of 12 bytes.
        path.spp_pathmtu = UInt32(max(parameters.maximumPacket, 512) - 12)
        path.spp_hbinterval = 10_000
        try unsafe set(socket, Int32(IPPROTO_SCTP), SCTP_PEER_ADDR_PARAMS, path, "the packet size")

        unsafe address.sconn_port = parameters.remotePort.bigEndian
        let connected = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe usrsctp_connect(socket, $0, length) }
        }
        guard connected == 0 || errno == EINPROGRESS else { throw SocketFailure(attempt: "to connect", code: errno) }
        unsafe withUnsafeMutableBytes(of: &path.spp_address) { storage in
            unsafe withUnsafeBytes(of: address) { unsafe storage.copyMemory(from: $0) }
        }
        try unsafe set(socket, Int32(IPPROTO_SCTP), SCTP_PEER_ADDR_PARAMS, path, "the packet size")
    }

    private static func set<Value: BitwiseCopyable>(_ socket: OpaquePointer, _ level: Int32, _ name: Int32, _ value: Value, _ what: String)
        throws(SocketFailure)
    {
        var value = value
        let result = unsafe usrsctp_setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Value>.size))
        guard result == 0 else { throw SocketFailure(attempt: what, code: errno) }
    }

    // MARK: - Sending

    static func send(_ message: SCTPMessage, on socket: OpaquePointer, askForSACK: Bool, _ mailbox: SCTPMailbox) -> Bool {
        var attributes = sctp_sendv_spa()
        attributes.sendv_flags = UInt32(SCTP_SEND_SNDINFO_VALID)
        attributes.sendv_sndinfo.snd_sid = message.stream.rawValue
        attributes.sendv_sndinfo.snd_ppid = message.protocolID.bigEndian
        if !message.isOrdered { attributes.sendv_sndinfo.snd_flags |= UInt16(SCTP_UNORDERED) }
        switch message.reliability {
        case .reliable:
            // A lone message: its acknowledgement need not wait for company (RFC 7053).
            if askForSACK { attributes.sendv_sndinfo.snd_flags |= UInt16(SCTP_SACK_IMMEDIATELY) }
        case .maxRetransmits(let count):
            attributes.sendv_flags |= UInt32(SCTP_SEND_PRINFO_VALID)
            attributes.sendv_prinfo = sctp_prinfo(pr_policy: UInt16(SCTP_PR_SCTP_RTX), pr_value: UInt32(count))
        case .maxLifetime(let milliseconds):
            attributes.sendv_flags |= UInt32(SCTP_SEND_PRINFO_VALID)
            attributes.sendv_prinfo = sctp_prinfo(pr_policy: UInt16(SCTP_PR_SCTP_TTL), pr_value: UInt32(milliseconds))
        }
        let sent = unsafe message.bytes.withUnsafeBytes {
            unsafe usrsctp_sendv(
                socket, $0.baseAddress, $0.count, nil, 0, &attributes, socklen_t(MemoryLayout<sctp_sendv_spa>.size),
                UInt32(SCTP_SENDV_SPA), 0)
        }
        guard sent == message.bytes.count else { return false }
        mailbox.bufferedBytes += sent
        return true
    }

    /// RFC 6525 clause 5.1.2. While another request is under way usrsctp notes these streams and asks for them afterwards.
    static func reset(_ streams: [StreamID], on socket: OpaquePointer) {
        var request: [UInt16] = [0, 0, UInt16(SCTP_STREAM_RESET_OUTGOING), UInt16(truncatingIfNeeded: streams.count)]
        request += streams.map(\.rawValue)
        _ = unsafe usrsctp_setsockopt(socket, Int32(IPPROTO_SCTP), SCTP_RESET_STREAMS, request, socklen_t(request.count * 2))
    }

    static func abort(_ socket: OpaquePointer) { unsafe usrsctp_close(socket) }

    // MARK: - Receiving

    private static func received(_ id: UInt, _ data: UnsafeMutableRawPointer?, _ length: Int, _ info: sctp_rcvinfo, _ flags: Int32) {
        defer { unsafe free(data) }
        guard let mailbox = SCTPStack.mailbox(id) else { return }
        guard let data = unsafe data else {
            return mailbox.end(mailbox.hearsAbort ? .closed : .failed(reason: "SCTP: usrsctp ended the association"))
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: length)
        if flags & MSG_NOTIFICATION != 0 {
            unsafe notified(mailbox, bytes)
        } else {
            mailbox.receive(
                stream: StreamID(info.rcv_sid), protocolID: UInt32(bigEndian: info.rcv_ppid), bytes: unsafe [UInt8](bytes),
                isComplete: flags & Int32(MSG_EOR) != 0)
        }
    }

    private static func notified(_ mailbox: SCTPMailbox, _ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 8 else { return }
        switch Int32(unsafe bytes.loadUnaligned(as: UInt16.self)) {
        case SCTP_ASSOC_CHANGE where bytes.count >= 20:
            changed(mailbox, state: Int32(unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
        case SCTP_STREAM_RESET_EVENT where bytes.count >= 12:
            unsafe wasReset(mailbox, bytes)
        case SCTP_PARTIAL_DELIVERY_EVENT where bytes.count >= 20:
            mailbox.abandonPartial(StreamID(UInt16(truncatingIfNeeded: unsafe bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))))
        default: return
        }
    }

    private static func changed(_ mailbox: SCTPMailbox, state: Int32) {
        switch state {
        case SCTP_COMM_UP:
            mailbox.isConnected = true
            mailbox.post(.connected)
        case SCTP_RESTART: mailbox.end(.failed(reason: "SCTP: the peer began a new association in the middle of this one"))
        case SCTP_SHUTDOWN_COMP: mailbox.end(.closed)
        case SCTP_CANT_STR_ASSOC: mailbox.end(.failed(reason: "SCTP: the peer answered none of our INITs, or refused"))
        case SCTP_COMM_LOST:
            mailbox.end(mailbox.hearsAbort ? .closed : .failed(reason: "SCTP: the peer acknowledged nothing for too long"))
        default: return
        }
    }

    private static func wasReset(_ mailbox: SCTPMailbox, _ bytes: UnsafeRawBufferPointer) {
        let flags = Int32(unsafe bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        let streams = stride(from: 12, to: bytes.count - 1, by: 2).map {
            StreamID(unsafe bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self))
        }
        if flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED) != 0 { return }
        if flags & SCTP_STREAM_RESET_INCOMING_SSN != 0 { mailbox.post(.incomingReset(streams)) }
        if flags & SCTP_STREAM_RESET_OUTGOING_SSN != 0 { mailbox.post(.outgoingReset(streams)) }
    }
}
