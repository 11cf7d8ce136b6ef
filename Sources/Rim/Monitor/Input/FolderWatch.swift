import Glibc
import Reactor
import Wire

/// Tells when files of a folder come, go or change their rights (inotify).
@safe final class FolderWatch {
    enum Change {
        case appeared, rightsChanged, gone
        /// The folder itself is gone, or so much happened that it must be looked through anew.
        case unclear
    }

    private let descriptor: Int32
    private let reactor: Reactor
    private let onChange: (_ name: String, Change) -> Void

    init(_ path: String, reactor: Reactor, onChange: @escaping (_ name: String, Change) -> Void) throws(SystemError) {
        (self.reactor, self.onChange) = (reactor, onChange)
        descriptor = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError("inotify_init1") }
        let ofItself = UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
        guard unsafe inotify_add_watch(descriptor, path, Self.appears | Self.goes | Self.changesRights | ofItself) >= 0 else {
            let error = SystemError("inotify_add_watch", path)
            close(descriptor)
            throw error
        }
        try reactor.watch(descriptor) { [unowned self] _, _ in read() }
    }

    private static let appears = UInt32(IN_CREATE) | UInt32(IN_MOVED_TO), goes = UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM)
    private static let changesRights = UInt32(IN_ATTRIB), isFolder = UInt32(IN_ISDIR)

    deinit {
        reactor.unwatch(descriptor)
        close(descriptor)
    }

    private func read() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            let count = unsafe Glibc.read(descriptor, buffer.baseAddress!, buffer.count)
            guard count > 0 else { return }
            unsafe tell(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])))
        }
    }

    /// Each is a struct inotify_event: watch, mask, cookie, length of the name, and the name, padded with zeros.
    private func tell(_ bytes: Span<UInt8>) {
        var offset = 0
        while bytes.count - offset >= 16 {
            let mask = bytes.host32(at: offset + 4), length = Int(bytes.host32(at: offset + 12))
            guard length <= bytes.count - offset - 16 else { return }
            let name = bytes.extracting((offset + 16)..<(offset + 16 + length)).array.prefix { $0 != 0 }
            onChange(String(decoding: name, as: UTF8.self), Self.change(mask))
            offset += 16 + length
        }
    }

    private static func change(_ mask: UInt32) -> Change {
        if mask & appears != 0 { return .appeared }
        if mask & goes != 0 { return .gone }
        return mask & changesRights != 0 && mask & isFolder == 0 ? .rightsChanged : .unclear
    }
}
