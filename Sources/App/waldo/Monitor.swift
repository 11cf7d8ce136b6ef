import Glibc
import Reactor
import Wire

/// `waldo monitor`: becomes the monitor's own program, which stands beside this one.
func runMonitor(_ arguments: [String]) -> Never {
    let program = monitorProgram()
    let words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    _ = unsafe execv(program, words)
    fail("\(program): \(unsafe String(cString: strerror(errno))); build it with scripts/build waldo-monitor, or put it beside waldo")
}

/// Beside this program's own file.
func monitorProgram() -> String { programFolder() + "/waldo-monitor" }

/// Where this program's file is.
private func programFolder() -> String {
    var path = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &path, path.count - 1)
    guard count > 0 else { return "." }
    let text = String(decoding: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(text[..<(text.lastIndex(of: "/") ?? text.endIndex)])
}
