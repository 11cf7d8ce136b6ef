extension Picture {
    /// The whole view within another size, its aspect kept, with black bars beside it or above and below.
    public func fitted(toWidth width: Int, height: Int) throws(MediaError) -> Picture {
        guard Self.canBe(width, height) else { throw .settings("size: expected even numbers from 2 to 16384, got \(width)x\(height)") }
        let isWider = self.width * height > self.height * width
        let inner =
            isWider ? (width: width, height: self.height * width / self.width) : (width: self.width * height / self.height, height: height)
        // Even, and on even places, as chroma has half the size.
        let size = (width: max(inner.width & ~1, 2), height: max(inner.height & ~1, 2))
        let scaled = try scaled(toWidth: size.width, height: size.height)
        guard size != (width, height) else { return scaled }
        var target = Picture(width: width, height: height)
        target.fill(x: 0, y: 0, width: width, height: height, luma: 16, blue: 128, red: 128)
        target.place(scaled, x: (width - size.width) / 2 & ~1, y: (height - size.height) / 2 & ~1)
        return target
    }

    /// Lies within this one, on even numbers.
    private mutating func place(_ other: Picture, x: Int, y: Int) {
        let (to, from) = (planes, other.planes)
        func copy(_ target: Int, _ stride: Int, _ source: Int, _ width: Int, _ rows: Int, _ left: Int, _ top: Int) {
            for row in 0..<rows {
                let start = target + (top + row) * stride + left, begin = source + row * width
                bytes.replaceSubrange(start..<(start + width), with: other.bytes[begin..<(begin + width)])
            }
        }
        copy(to.luma, width, from.luma, other.width, other.height, x, y)
        copy(to.blue, width / 2, from.blue, other.width / 2, other.height / 2, x / 2, y / 2)
        copy(to.red, width / 2, from.red, other.width / 2, other.height / 2, x / 2, y / 2)
    }

    /// What stands for a camera that is lost.
    public static func noCamera(width: Int, height: Int) -> Picture {
        var picture = Picture(width: width, height: height)
        let text = "No camera", scale = max(1, width / 160)
        picture.draw(
            text, x: (width - text.utf8.count * BitmapFont.width * scale) / 2 & ~1, y: (height - BitmapFont.height * scale) / 2 & ~1,
            scale: scale)
        return picture
    }
}
