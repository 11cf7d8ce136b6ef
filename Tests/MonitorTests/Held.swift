import Glibc
import Reactor

/// A place on the reactor's thread for what a test makes and asks there.
final class Held<Value>: @unchecked Sendable {
    var value: Value?
    init(_ value: Value? = nil) { self.value = value }
}

enum Files {
    static func text(_ path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var (all, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while case let count = unsafe read(descriptor, &buffer, buffer.count), count > 0 { all += buffer.prefix(count) }
        return String(decoding: all, as: UTF8.self)
    }

    static func bytes(_ path: String) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var (all, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while case let count = unsafe read(descriptor, &buffer, buffer.count), count > 0 { all += buffer.prefix(count) }
        return all
    }

    static func write(_ path: String, _ bytes: [UInt8]) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = unsafe Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
    }
}

/// Of the whole process; it is the super-user's in the tests' containers, and then it is somebody else's for a while.
enum Rights {
    static let isRoot = getuid() == 0

    static func drop() { if isRoot { seteuid(65_534) } }
    static func takeBack() { if isRoot { seteuid(0) } }
}
