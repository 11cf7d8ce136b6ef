internal import CLinux
import Glibc
import Wire

/// A UDP socket on a reactor: reads in batches, joined by the kernel where it can (GRO); sends a frame's datagrams in one call where
/// the kernel segments (GSO), else with sendmmsg, else one by one.
public final class UDPSocket {
    public enum Offload: String, Sendable { case segmentation = "gso", batch = "sendmmsg", single = "sendto" }

    /// With the port that the kernel chose.
    public let address: SocketAddress
    /// What sending found to work; only ever steps down.
    public private(set) var offload: Offload
    /// Datagrams that the kernel did not take: its buffer was full, or the way is unreachable. The protocols above send again.
    public private(set) var dropped = 0
    public private(set) var calls = 0

    private let descriptor: Int32
    private let reactor: Reactor

    /// `onDatagram` gets each datagram as borrowed bytes and its sender.
    public init(
        _ requested: SocketAddress, reactor: Reactor, offload: Offload = .segmentation, onReadable: @escaping (UDPSocket) -> Void
    ) throws(SystemError) {
        descriptor = try boundSocket(requested, type: Int32(SOCK_DGRAM.rawValue), reusesAddress: false)
        address = try localAddress(of: descriptor)
        self.reactor = reactor
        self.offload = offload
        _ = waldo_join_datagrams(descriptor)
        var size: Int32 = 4 << 20
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, 4)
        try reactor.watch(descriptor) { [unowned self] readable, _ in
            if readable { onReadable(self) }
        }
    }

    /// A socket for one multicast group on these IPv4 interfaces, its port shared with other programs of this machine.
    /// An interface that cannot join is left out; with none left this throws.
    public init(
        group: SocketAddress, interfaces: [IPAddress], reactor: Reactor, onReadable: @escaping (UDPSocket) -> Void
    ) throws(SystemError) {
        descriptor = try boundSocket(
            SocketAddress(IPAddress(0, 0, 0, 0), group.port), type: Int32(SOCK_DGRAM.rawValue), reusesAddress: true)
        address = try localAddress(of: descriptor)
        self.reactor = reactor
        offload = .single
        for interface in interfaces where interface.family == .v4 {
            var membership = ip_mreq()
            membership.imr_multiaddr.s_addr = UInt32(truncatingIfNeeded: group.ip.low).bigEndian
            membership.imr_interface.s_addr = UInt32(truncatingIfNeeded: interface.low).bigEndian
            let code = unsafe setsockopt(
                descriptor, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &membership, socklen_t(MemoryLayout<ip_mreq>.size))
            if code == 0 { multicastInterfaces.append(interface) }
        }
        guard !multicastInterfaces.isEmpty else { throw SystemError("IP_ADD_MEMBERSHIP", group.description) }
        try reactor.watch(descriptor) { [unowned self] readable, _ in
            if readable { onReadable(self) }
        }
    }

    deinit {
        reactor.unwatch(descriptor)
        close(descriptor)
    }

    /// Where a group was joined.
    public private(set) var multicastInterfaces: [IPAddress] = []

    /// Sends one datagram to the group out of every interface that joined it.
    public func multicast(_ bytes: [UInt8], to group: SocketAddress) {
        for interface in multicastInterfaces {
            var address = in_addr(s_addr: UInt32(truncatingIfNeeded: interface.low).bigEndian)
            _ = unsafe setsockopt(descriptor, Int32(IPPROTO_IP), IP_MULTICAST_IF, &address, socklen_t(MemoryLayout<in_addr>.size))
            send(bytes.span, segmentSize: bytes.count, to: group)
        }
    }

    // MARK: Receiving

    /// Reads what is there, at most a few batches so that others get their turn, and hands each datagram on.
    public func receive(_ handle: (Span<UInt8>, SocketAddress) -> Void) {
        let batch = reactor.receiveBatch
        for _ in 0..<4 {
            let count = batch.read(descriptor)
            for index in 0..<count { batch.withDatagrams(index, handle) }
            if count < ReceiveBatch.capacity { return }
        }
    }

    // MARK: Sending

    /// Sends `bytes` as datagrams of `segmentSize` (the last may be shorter) to one address.
    public func send(_ bytes: Span<UInt8>, segmentSize: Int, to destination: SocketAddress) {
        var storage = sockaddr_storage()
        let length = destination.write(to: &storage)
        unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe withUnsafeMutablePointer(to: &storage) { name in
                unsafe send(UnsafeMutableRawPointer(mutating: base), buffer.count, segmentSize, UnsafeMutableRawPointer(name), length)
            }
        }
    }

    private func send(
        _ base: UnsafeMutableRawPointer, _ count: Int, _ segment: Int, _ name: UnsafeMutableRawPointer, _ length: socklen_t
    ) {
        if count <= segment {
            unsafe sendOne(base, count, name, length)
        } else if offload == .segmentation {
            unsafe sendSegmented(base, count, segment, name, length)
        } else if offload == .batch {
            unsafe sendBatch(base, count, segment, name, length)
        } else {
            unsafe sendSingly(base, count, segment, name, length)
        }
    }

    private func sendOne(_ base: UnsafeMutableRawPointer, _ count: Int, _ name: UnsafeMutableRawPointer, _ length: socklen_t) {
        calls += 1
        if unsafe sendto(descriptor, base, count, 0, name.assumingMemoryBound(to: sockaddr.self), length) < 0 { dropped += 1 }
    }

    private func sendSegmented(
        _ base: UnsafeMutableRawPointer, _ count: Int, _ segment: Int, _ name: UnsafeMutableRawPointer, _ length: socklen_t
    ) {
        calls += 1
        guard unsafe waldo_send_segmented(descriptor, base, count, UInt16(segment), name, length) < 0 else { return }
        let code = errno
        // The kernel or the device's driver does not segment: never tried again on this socket.
        if code == EIO || code == EINVAL || code == ENOPROTOOPT || code == EOPNOTSUPP || code == EMSGSIZE {
            if code != EMSGSIZE { offload = .batch }
            unsafe sendBatch(base, count, segment, name, length)
        } else {
            dropped += (count + segment - 1) / segment
        }
    }

    private func sendBatch(
        _ base: UnsafeMutableRawPointer, _ count: Int, _ segment: Int, _ name: UnsafeMutableRawPointer, _ length: socklen_t
    ) {
        calls += 1
        let wanted = (count + segment - 1) / segment
        let sent = unsafe Int(waldo_send_batch(descriptor, base, count, segment, name, length))
        if sent < 0, errno == ENOSYS {
            offload = .single
            unsafe sendSingly(base, count, segment, name, length)
        } else {
            dropped += wanted - max(sent, 0)
        }
    }

    private func sendSingly(
        _ base: UnsafeMutableRawPointer, _ count: Int, _ segment: Int, _ name: UnsafeMutableRawPointer, _ length: socklen_t
    ) {
        for start in stride(from: 0, to: count, by: segment) {
            unsafe sendOne(base + start, min(segment, count - start), name, length)
        }
    }
}
