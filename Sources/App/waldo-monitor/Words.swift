import Glibc

/// Ends the program with what is wrong: status 2, the user's; 1, the machine's.
func fail(_ message: String, status: Int32 = 2) -> Never {
    say("waldo-monitor: \(message)", to: 2)
    exit(status)
}

func say(_ text: String, to descriptor: Int32 = 1) {
    let bytes = Array((text + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
        let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + sent, $0.count - sent) }
        guard count > 0 else { return }
        sent += count
    }
}

/// A variable of the process's environment; nil: not set, or empty.
func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
}

/// A file's bytes, at most so many.
func readFile(_ path: String, limit: Int) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { fail("\(path): \(unsafe String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = [], piece = [UInt8](repeating: 0, count: 16_384), count = 0
    repeat {
        count = unsafe read(descriptor, &piece, piece.count)
        bytes += piece.prefix(max(count, 0))
    } while count > 0 && bytes.count <= limit
    guard count >= 0 else { fail("\(path): \(unsafe String(cString: strerror(errno)))") }
    guard bytes.count <= limit else { fail("\(path): expected at most \(limit) bytes") }
    return bytes
}
