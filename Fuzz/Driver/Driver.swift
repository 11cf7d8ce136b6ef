import FuzzTargets

#if FUZZ
    import Glibc

    /// libFuzzer's entry; WALDO_FUZZ_TARGET names the parser.
    @_cdecl("LLVMFuzzerTestOneInput")
    public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        unsafe target.run(Span(_unsafeElements: UnsafeBufferPointer(start: start, count: count)))
        return 0
    }

    private let target: FuzzTarget = {
        let name = unsafe getenv("WALDO_FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
        guard let target = FuzzTarget(rawValue: name) else { fatalError("WALDO_FUZZ_TARGET: expected one of \(FuzzTarget.allCases)") }
        return target
    }()
#else
    /// Without libFuzzer it only lists the targets; `make fuzz` builds it with.
    @main struct FuzzTargetList {
        static func main() { for target in FuzzTarget.allCases { print(target.rawValue) } }
    }
#endif
