import Glibc

/// A blocking socket to a server of this machine, whose every wait ends after ten seconds: the kernel alone stands on the test's side.
package enum RawClient {
    /// A connection that has sent this.
    package static func connect(to port: UInt16, sending text: String) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = unsafe withUnsafePointer(to: &name) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw Failure(what: "connect", code: errno) }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard unsafe write(descriptor, text, text.utf8.count) == text.utf8.count else { throw Failure(what: "write", code: errno) }
        return descriptor
    }

    /// All that still comes; then the descriptor is closed.
    package static func readToEnd(_ descriptor: Int32) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = unsafe read(descriptor, &buffer, buffer.count), count > 0 { all += buffer.prefix(count) }
        close(descriptor)
        return String(decoding: all, as: UTF8.self)
    }

    package struct Failure: Error {
        package let what: String
        package let code: Int32
    }
}
