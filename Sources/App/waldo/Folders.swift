import Glibc
import Wire

/// The folder that holds the console and the worlds: the nearest above the program itself, else the current one.
func installationFolder() -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return "." }
    var parts = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: "/").dropLast()
    while !parts.isEmpty {
        let folder = "/" + parts.joined(separator: "/")
        if unsafe access(folder + "/console/index.html", R_OK) == 0 { return folder }
        parts = parts.dropLast()
    }
    return "."
}

/// Where what is to last is kept (XDG base directories).
func dataFolder() -> String {
    if let folder = variable("XDG_DATA_HOME"), folder.hasPrefix("/") { return folder + "/waldo" }
    return (variable("HOME") ?? "/tmp") + "/.local/share/waldo"
}

private func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }

/// `20261120T195301Z`: sorts by time, and is a name on every file system.
func fileName(unixSeconds: Int64) -> String {
    func padded(_ number: Int64, _ digits: Int = 2) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(digits - text.count, 0)) + text
    }
    let date = CivilDate(daysSince1970: unixSeconds / 86_400), second = unixSeconds % 86_400
    return padded(date.year, 4) + padded(date.month) + padded(date.day) + "T" + padded(second / 3600) + padded(second / 60 % 60)
        + padded(second % 60) + "Z"
}
