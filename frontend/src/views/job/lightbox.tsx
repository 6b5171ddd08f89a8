import type { KeyboardEvent } from "react";
import { explain } from "../../api/client";
import { reportUse } from "../../api/uses";
import type { Picture } from "../../jobs/pictures";
import { IconButton } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { useNotify } from "../../ui/notices";
import { Blur } from "./blur";
import { Attribution, FadeIn } from "./gallery";

interface LightboxProps {
  /** The id of the search that has found them. */
  job: string;
  pictures: Picture[];
  shown: number | null;
  onShow: (index: number | null) => void;
}

/** One picture as large as the window allows; the arrow keys go on to the next. */
export function Lightbox({ job, pictures, shown, onShow }: LightboxProps) {
  const picture = shown === null ? undefined : pictures[shown];
  const notify = useNotify();
  const report = async ({ id, reported, provider }: Picture) => {
    if (!reported) return;
    try {
      await reportUse(id, job);
    } catch (error) {
      notify("bad", `${provider.name} was not told that you took this picture. ${explain(error)}`);
    }
  };
  const go = (step: number) => {
    if (shown !== null) onShow((shown + step + pictures.length) % pictures.length);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowRight") go(1);
    else if (event.key === "ArrowLeft") go(-1);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog
      open={picture !== undefined}
      onClose={() => onShow(null)}
      title="Picture"
      className="lightbox"
      onKeyDown={onKeyDown}
    >
      {picture && (
        <div className="lightbox-body">
          <div className="lightbox-bar">
            <span className="muted">
              {(shown ?? 0) + 1} of {pictures.length}
            </span>
            <a
              className="button"
              data-look="quiet"
              href={picture.original}
              target="_blank"
              rel="noopener noreferrer"
              onClick={() => void report(picture)}
            >
              <Icon name="external" />
              Original
            </a>
            <IconButton icon="cross" label="Close" onClick={() => onShow(null)} />
          </div>
          <div className="lightbox-stage">
            <IconButton icon="left" label="Previous picture" className="lightbox-step" onClick={() => go(-1)} />
            <div
              key={picture.key}
              className="lightbox-picture"
              style={{
                width: `min(100%, 100cqh * ${picture.width / picture.height})`,
                aspectRatio: `${picture.width} / ${picture.height}`,
                background: picture.colour,
              }}
            >
              {picture.blurHash && <Blur hash={picture.blurHash} />}
              <FadeIn picture={picture} src={picture.large} atOnce />
            </div>
            <IconButton icon="right" label="Next picture" className="lightbox-step" onClick={() => go(1)} />
          </div>
          <div className="lightbox-caption">
            <p>{picture.alt}</p>
            <Attribution picture={picture} />
          </div>
        </div>
      )}
    </Dialog>
  );
}
