import FuzzTargets

#if FUZZ
    import Glibc

    /// libFuzzer's entry; WALDO_FUZZ_TARGET names the parser.
    @_cdecl("LLVMFuzzerTestOneInput")
    public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        unsafe target.run(Span(_unsafeElements: UnsafeBufferPointer(start: start, count: count)))
        return 0
    }

    /// The package manager names an executable's entry after its target; from here on libFuzzer drives.
    @_cdecl("waldo_fuzz_main")
    public func fuzzMain(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
        var count = count
        var arguments = unsafe arguments
        return unsafe runLibFuzzer(&count, &arguments) { unsafe fuzzOneInput($0, $1) }
    }

    @_silgen_name("LLVMFuzzerRunDriver")
    private func runLibFuzzer(
        _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
        _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
    ) -> CInt

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
