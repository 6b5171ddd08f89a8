import { decode, isBlurhashValid } from "blurhash";
import { useEffect, useRef } from "react";

const EDGE = 32;

/** The picture's blur hash, drawn small and stretched: what stands there until the picture has come. */
export function Blur({ hash }: { hash: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !isBlurhashValid(hash).result) return;
    const pixels = context.createImageData(EDGE, EDGE);
    pixels.data.set(decode(hash, EDGE, EDGE));
    context.putImageData(pixels, 0, 0);
  }, [hash]);
  return <canvas ref={canvas} className="blur" width={EDGE} height={EDGE} aria-hidden="true" />;
}
