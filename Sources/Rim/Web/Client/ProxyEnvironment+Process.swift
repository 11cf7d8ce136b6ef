import Glibc
import HTTP

extension ProxyEnvironment {
    /// What this process was started with.
    public static func ofProcess() throws(WebURLError) -> ProxyEnvironment {
        var variables: [String: String] = [:]
        for name in names { if let value = unsafe getenv(name) { variables[name] = unsafe String(cString: value) } }
        return try ProxyEnvironment(variables)
    }
}
