internal import COpenSSL

/// The kernel's randomness, stretched by OpenSSL's generator.
public enum Entropy {
    public static func random() -> UInt64 {
        var value: UInt64 = 0
        let done = unsafe withUnsafeMutableBytes(of: &value) {
            unsafe RAND_bytes($0.baseAddress!.assumingMemoryBound(to: UInt8.self), 8)
        }
        precondition(done == 1, "without randomness nothing here is safe")
        return value
    }
}
