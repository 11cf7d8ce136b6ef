import Glibc
import Wire

/// Blocking sockets of the loopback network, of the kernel alone.
enum RawSocket {
    static func bound(_ type: __socket_type, v6: Bool = false, port: UInt16 = 0) -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(v6 ? AF_INET6 : AF_INET, Int32(type.rawValue), 0)
        unsafe withName(v6: v6, port) { name, length in _ = unsafe bind(descriptor, name, length) }
        return (descriptor, localPort(descriptor))
    }

    static func connect(_ descriptor: Int32, v6: Bool = false, to port: UInt16) -> Bool {
        var code: Int32 = -1
        unsafe withName(v6: v6, port) { name, length in code = unsafe Glibc.connect(descriptor, name, length) }
        return code == 0
    }

    static func send(_ descriptor: Int32, _ bytes: [UInt8], to port: UInt16) {
        unsafe withName(v6: false, port) { name, length in _ = unsafe sendto(descriptor, bytes, bytes.count, 0, name, length) }
    }

    static func localPort(_ descriptor: Int32) -> UInt16 {
        var bytes = [UInt8](repeating: 0, count: 128)
        var length = socklen_t(bytes.count)
        unsafe bytes.withUnsafeMutableBytes {
            _ = unsafe getsockname(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return bytes.span.u16(at: 2)
    }

    /// A sockaddr_in or sockaddr_in6 of loopback.
    private static func withName(v6: Bool, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) {
        var bytes = [UInt8](repeating: 0, count: v6 ? 28 : 16)
        unsafe withUnsafeBytes(of: sa_family_t(v6 ? AF_INET6 : AF_INET)) { family in unsafe bytes.replaceSubrange(0..<2, with: family) }
        (bytes[2], bytes[3]) = (UInt8(port >> 8), UInt8(truncatingIfNeeded: port))
        if v6 { bytes[23] = 1 } else { (bytes[4], bytes[7]) = (127, 1) }
        unsafe bytes.withUnsafeBytes { unsafe body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
    }
}

extension IPAddress {
    static let loopback = IPAddress(127, 0, 0, 1)
    static let loopbackV6 = IPAddress(high: 0, low: 1)
}
