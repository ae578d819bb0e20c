/** @file Which place this window shows: this computer, or a GPU box reached through it. */

export const placeKey = 'cambium.place';

/** The box this tab is in, or null at home. */
export const currentPlace = (): string | null => sessionStorage.getItem(placeKey);
