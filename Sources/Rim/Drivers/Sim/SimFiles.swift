internal import CMuJoCo
import Glibc

/// Where the library and the worlds lie: beside the program, where it was installed, or where it was built.
enum SimFiles {
    /// The worlds' folder in this tree.
    private static let builtWorlds = #filePath.split(separator: "/").dropLast(5).reduce("") { "\($0)/\($1)" } + "/worlds"

    static func openLibrary() throws(SimError) {
        var looked: [String] = []
        for path in libraryPaths {
            guard unsafe access(path, R_OK) == 0 else {
                looked.append(path)
                continue
            }
            let (code, reason) = unsafe message { unsafe waldo_mujoco_open(path, $0, $1) }
            guard code == Int32(WALDO_DONE.rawValue) else { throw .physics(reason) }
            return
        }
        throw .noPhysics(looked: looked)
    }

    private static var libraryPaths: [String] {
        if let named = unsafe getenv("WALDO_MUJOCO") { return [unsafe String(cString: named)] }
        let folder = programFolder
        return ["\(folder)/libmujoco.so", "\(folder)/../lib/waldo/libmujoco.so", unsafe String(cString: waldo_mujoco_built())]
    }

    /// The room that comes with Waldo.
    static var home: String {
        let folder = programFolder
        let places = ["\(folder)/worlds/home.xml", "\(folder)/../share/waldo/worlds/home.xml"]
        return places.first { unsafe access($0, R_OK) == 0 } ?? "\(builtWorlds)/home.xml"
    }

    private static var programFolder: String {
        let path = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { buffer in
            let count = unsafe readlink("/proc/self/exe", buffer.baseAddress!, buffer.count)
            return unsafe String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        }
        return path.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
    }

    /// What a call of the C target says, beside its outcome.
    static func message<Outcome>(_ call: (UnsafeMutablePointer<CChar>, Int32) -> Outcome) -> (Outcome, String) {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
            unsafe buffer.initialize(repeating: 0)
            let outcome = unsafe call(buffer.baseAddress!, Int32(buffer.count))
            return (outcome, unsafe String(cString: buffer.baseAddress!))
        }
    }
}
