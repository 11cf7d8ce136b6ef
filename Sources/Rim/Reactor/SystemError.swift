import Glibc

/// A system call that failed: which, on what, and the kernel's reason.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    public let call: String
    public let code: Int32
    public let subject: String

    public init(_ call: String, _ subject: String = "", code: Int32 = errno) {
        self.call = call
        self.code = code
        self.subject = subject
    }

    public var description: String {
        let reason = unsafe String(cString: strerror(code))
        return subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)"
    }
}
