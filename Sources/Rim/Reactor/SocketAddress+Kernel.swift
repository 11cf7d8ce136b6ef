internal import CLinux
import Glibc
import Wire

extension SocketAddress {
    /// The kernel's form in `storage`; answers its length.
    func write(to storage: inout sockaddr_storage) -> socklen_t {
        storage = sockaddr_storage()
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            if ip.family == .v4 {
                return unsafe pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                    unsafe address.pointee.sin_family = sa_family_t(AF_INET)
                    unsafe address.pointee.sin_port = port.bigEndian
                    unsafe address.pointee.sin_addr.s_addr = UInt32(truncatingIfNeeded: ip.low).bigEndian
                    return socklen_t(MemoryLayout<sockaddr_in>.size)
                }
            }
            return unsafe pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                unsafe address.pointee.sin6_family = sa_family_t(AF_INET6)
                unsafe address.pointee.sin6_port = port.bigEndian
                let parts = (ip.high.bigEndian, ip.low.bigEndian)
                unsafe withUnsafeMutableBytes(of: &address.pointee.sin6_addr) { bytes in
                    unsafe bytes.storeBytes(of: parts.0, as: UInt64.self)
                    unsafe bytes.storeBytes(of: parts.1, toByteOffset: 8, as: UInt64.self)
                }
                return socklen_t(MemoryLayout<sockaddr_in6>.size)
            }
        }
    }

    /// From the kernel's form; nil for families other than IPv4 and IPv6.
    init?(_ storage: inout sockaddr_storage) {
        let family = Int32(storage.ss_family)
        let read: SocketAddress? = unsafe withUnsafeBytes(of: &storage) { bytes in
            let port = unsafe UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
            switch family {
            case AF_INET:
                return unsafe SocketAddress(IPAddress(v4: UInt32(bigEndian: bytes.load(fromByteOffset: 4, as: UInt32.self))), port)
            case AF_INET6:
                let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                return SocketAddress(IPAddress(high: high, low: low), port)
            default: return nil
            }
        }
        guard let read else { return nil }
        self = read
    }
}

/// Makes a non-blocking, close-on-exec socket bound to `address` (port 0: the kernel chooses).
func boundSocket(_ address: SocketAddress, type: Int32, reusesAddress: Bool) throws(SystemError) -> Int32 {
    let family = address.ip.family == .v4 ? AF_INET : AF_INET6
    let descriptor = socket(family, type | Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SystemError("socket", address.description) }
    var one: Int32 = 1
    if reusesAddress { _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4) }
    if family == AF_INET6 { _ = unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, 4) }
    var storage = sockaddr_storage()
    let length = address.write(to: &storage)
    let code = unsafe withUnsafePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
    }
    guard code == 0 else {
        let error = SystemError("bind", address.description)
        close(descriptor)
        throw error
    }
    return descriptor
}

/// The address that a socket is bound to.
func localAddress(of descriptor: Int32) throws(SystemError) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = unsafe withUnsafeMutablePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
    }
    guard code == 0, let address = SocketAddress(&storage) else { throw SystemError("getsockname") }
    return address
}

/// The kernel's form of a Unix-domain socket's path.
private func unixAddress(_ path: String, for call: String) throws(SystemError) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let name = Array(path.utf8)
    guard !name.isEmpty, name.count < MemoryLayout.size(ofValue: address.sun_path) else {
        throw SystemError(call, path, code: ENAMETOOLONG)
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
    return address
}

/// Makes a socket and connects or binds it; `code` is what the kernel said of the latter, 0 when it is done.
private func unixSocket(
    _ path: String, for call: String, _ use: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
) throws(SystemError) -> (descriptor: Int32, code: Int32) {
    var address = try unixAddress(path, for: call)
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SystemError("socket", path) }
    let length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe use(descriptor, $0, length) }
    }
    return (descriptor, result == 0 ? 0 : errno)
}

/// Connects to a Unix-domain socket; EAGAIN when as many wait there as may.
func connectedUnixSocket(_ path: String) throws(SystemError) -> Int32 {
    let made = try unsafe unixSocket(path, for: "connect") { unsafe connect($0, $1, $2) }
    guard made.code == 0 else {
        close(made.descriptor)
        throw SystemError("connect", path, code: made.code)
    }
    return made.descriptor
}

/// Makes a Unix-domain socket at `path`. A socket file that nobody listens on is what a program left that was killed: it is replaced.
func boundUnixSocket(_ path: String) throws(SystemError) -> Int32 {
    let probe = try unsafe unixSocket(path, for: "bind") { unsafe connect($0, $1, $2) }
    close(probe.descriptor)
    if probe.code == ECONNREFUSED { _ = unsafe unlink(path) }
    let bound = try unsafe unixSocket(path, for: "bind") { unsafe bind($0, $1, $2) }
    guard bound.code == 0 else {
        close(bound.descriptor)
        throw SystemError("bind", path, code: bound.code)
    }
    return bound.descriptor
}
