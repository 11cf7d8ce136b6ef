internal import CLinux
import Glibc
import Wire

/// The addresses of this machine's interfaces that are up, loopback last; link-local IPv6 left out, which needs a zone to be of use.
public func hostAddresses() -> [IPAddress] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return [] }
    defer { unsafe freeifaddrs(list) }
    var found: [IPAddress] = []
    var entry = unsafe list
    while let current = unsafe entry {
        unsafe entry = current.pointee.ifa_next
        guard unsafe current.pointee.ifa_flags & UInt32(IFF_UP) != 0, let address = unsafe current.pointee.ifa_addr else { continue }
        let family = unsafe Int32(address.pointee.sa_family)
        var storage = sockaddr_storage()
        let length = family == AF_INET ? MemoryLayout<sockaddr_in>.size : family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : 0
        guard length > 0 else { continue }
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
        }
        guard let ip = SocketAddress(&storage)?.ip, !ip.isUnspecified, !ip.isMulticast, !(ip.family == .v6 && ip.isLinkLocal) else {
            continue
        }
        if !found.contains(ip) { found.append(ip) }
    }
    return found.filter { !$0.isLoopback } + found.filter(\.isLoopback)
}
