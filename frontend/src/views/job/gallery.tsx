import { useEffect, useRef, useState } from "react";
import type { Json } from "../../api/types";
import { justify, type Picture } from "../../jobs/pictures";
import { Button } from "../../ui/controls";
import { JsonTree } from "../../ui/json-tree";
import { Blur } from "./blur";
import { Lightbox } from "./lightbox";

const GAP = 12;

/** Pictures in rows that fill the width, none cropped; each under its author's name. */
export function Gallery({ job, pictures, result }: { job: string; pictures: Picture[]; result: Json }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [shown, setShown] = useState<number | null>(null);
  const [raw, setRaw] = useState(false);
  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  const target = width < 520 ? 180 : 220;
  const rows = width > 0 ? justify(pictures, { width, target, gap: GAP }) : [];
  return (
    <section className="card" aria-labelledby="result">
      <div className="card-head">
        <h2 id="result">
          Result <span className="faint">{pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`}</span>
        </h2>
        <Button size="small" aria-pressed={raw} onClick={() => setRaw(!raw)}>
          {raw ? "Pictures" : "JSON"}
        </Button>
      </div>
      <div ref={box}>
        {raw ? (
          <JsonTree value={result} label="result" />
        ) : (
          <ul className="gallery">
            {rows.flat().map(({ item, width, height }) => (
              <li key={item.key} style={{ width: Math.floor(width * 100) / 100 }}>
                <button
                  type="button"
                  className="picture"
                  data-testid="picture"
                  style={{ height, background: item.colour }}
                  onClick={() => setShown(pictures.indexOf(item))}
                >
                  {item.blurHash && <Blur hash={item.blurHash} />}
                  <FadeIn picture={item} src={item.small} shownWidth={width} />
                </button>
                <Attribution picture={item} />
              </li>
            ))}
          </ul>
        )}
      </div>
      <Lightbox job={job} pictures={pictures} shown={shown} onShow={setShown} />
    </section>
  );
}

interface FadeInProps {
  picture: Picture;
  src: string;
  /** How wide it is shown, so that the browser takes the size it needs; else just the one at `src`. */
  shownWidth?: number;
  /** Asked for at once, as what fills the window is; else when it comes near the window. */
  atOnce?: boolean;
}

/** A picture that appears when it is whole; if it never comes, its blur and its description stay. */
export function FadeIn({ picture, src, shownWidth, atOnce = false }: FadeInProps) {
  const [state, setState] = useState<"loading" | "here" | "missing">("loading");
  return state === "missing" ? (
    <span className="picture-missing">{picture.alt}</span>
  ) : (
    <img
      // Before its address: some browsers ask as soon as they know that.
      loading={atOnce ? "eager" : "lazy"}
      {...(shownWidth && picture.sizes && { srcSet: picture.sizes, sizes: `${Math.ceil(shownWidth)}px` })}
      src={src}
      width={picture.width}
      height={picture.height}
      alt={picture.alt}
      data-state={state}
      decoding="async"
      ref={(image) => {
        // A cached picture may be complete before React listens.
        if (image?.complete && image.naturalWidth > 0) setState("here");
      }}
      onLoad={() => setState("here")}
      onError={() => setState("missing")}
    />
  );
}

/** Photographer, provider and licence, as the providers' terms and the licences ask for. */
export function Attribution({ picture: { author, provider, licence, source, drawn, credit } }: { picture: Picture }) {
  if (drawn && credit) return <p className="attribution">{credit}</p>;
  return (
    <p className="attribution">
      {drawn ? "Drawn by " : "Photo by "}
      <Outside name={author.name} url={author.url} />
      {provider.name && (
        <>
          {" on "}
          <Outside name={provider.name} url={provider.url} />
        </>
      )}
      {licence && (
        <>
          {", "}
          <Outside name={licence.name} url={licence.url} />
        </>
      )}
      {source && (
        <>
          {" · "}
          <Outside name="source" url={source} />
        </>
      )}
    </p>
  );
}

function Outside({ name, url }: { name: string; url: string | null }) {
  return url ? (
    <a className="link" href={url} target="_blank" rel="noopener noreferrer">
      {name}
    </a>
  ) : (
    <span>{name}</span>
  );
}
